//! A radio module in software that a server cannot tell from a real one.
//!
//! - [`flash`] is the module's flash memory, in one file that is written in place.
//! - [`image`] builds and reads the files that such modules take as firmware.
//! - [`boot`] starts what the flash holds, on trial or confirmed, as the boot loader of a module does.
//!
//! ```
//! use vmodule::flash::{FileFlash, FlashOptions};
//! use vmodule::{boot, image};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("module.flash");
//! let identity = image::Identity {
//!     model: "GM01Q".parse()?,
//!     version: "5.4.1.1-57830".parse()?,
//!     source: None,
//! };
//! let factory = image::build(&identity, b"machine code");
//! vmodule::flash::initialise(&path, firmware::Geometry::new(4096, 32, 8)?, &factory, false)?;
//!
//! let module = boot::boot(&path, FlashOptions::default())?;
//! assert_eq!(module.booted.header.version.as_str(), "5.4.1.1-57830");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate will never do: share role logic with the server (a misread standard must not pass its
//! own tests), hide a torn write behind a temporary file and a rename.
#![deny(missing_docs)]

pub mod boot;
pub mod flash;
pub mod image;
