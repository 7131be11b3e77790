//! A radio module in software that a server cannot tell from a real one.
//!
//! - [`Module`] is the whole of it: flash, boot loader and LwM2M client as one machine. The driver of `net`
//!   runs one over sockets (`vmodule run`), a simulation runs thousands in virtual time. Its flash is all
//!   that survives a restart or a power cut.
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
//! In a simulation the flash is in memory:
//!
//! ```
//! use firmware::{Banks, BootLoader, ByteCount, EmulatedFlash, Flash};
//! use lwm2m::client::{Access, ServerAccount};
//! use machine::{Instant, Machine, Path, Socket};
//! use vmodule::{Event, Kind, Module, Settings, image};
//!
//! let kind = Kind::Ryz014;
//! let identity =
//!     image::Identity { model: kind.model()?, version: kind.factory_version().parse()?, source: None };
//! let mut flash = EmulatedFlash::new(Banks::geometry_for(ByteCount(4_096), 1_024, 8)?);
//! let loader = BootLoader::new(Banks::new(flash.geometry())?);
//! loader.provision(&mut flash, &image::build(&identity, b"machine code"))?;
//!
//! let path = Path { socket: Socket(0), remote: "192.0.2.1:5683".parse()? };
//! let server = ServerAccount { access: Access::Open(path), short_server_id: 1, lifetime: 60 };
//! let client = kind.configure(&"015770000031766".parse()?, server);
//! let mut module = Module::new(Settings::new(client, kind.model()?), flash, [7; 32], Instant::ZERO)?;
//!
//! // It boots, and its first datagram registers it.
//! module.handle_timeout(Instant::ZERO);
//! assert!(matches!(module.poll_event(), Some(Event::Booted { .. })));
//! module.handle_timeout(Instant::ZERO);
//! let mut buffer = [0; 1_500];
//! let (_, length) = module.poll_transmit(&mut buffer).ok_or("it says nothing")?;
//! assert!(String::from_utf8_lossy(&buffer[..length]).contains("ep=urn:imei:015770000031766"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate will never do: share role logic with the server (a misread standard must not pass its
//! own tests), hide a torn write behind a temporary file and a rename.
#![deny(missing_docs)]

pub mod boot;
pub mod flash;
pub mod image;
mod kind;
mod lossy;
mod module;
mod powered_flash;
mod radio;
pub mod run;
mod store;

pub use kind::{Imei, Kind, NotAnImei, UnknownKind};
pub use lossy::Lossy;
pub use module::{Command, Event, Fetched, Module, Sends, Settings};
pub use powered_flash::PoweredFlash;
pub use radio::{Radio, RadioSleep};
pub use store::FlashStore;
