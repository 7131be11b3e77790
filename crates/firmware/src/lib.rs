//! Firmware on a device: images, banks, and how a new image takes over without ever bricking anything.
//!
//! - [`Flash`] is what any flash can do; [`EmulatedFlash`] is one in memory that can lose power.
//! - [`ImageHeader`] and [`Image`] are the image file; [`versions_in`] looks into files without a header.
//! - [`Banks`] says where things lie; [`Installer`] streams an image into the bank that does not run;
//!   [`BootLoader`] starts it on trial, confirms it or goes back.
//! - [`HexImage`] is a checked Intel HEX file for one of the banks of a module whose banks differ.
//! - [`upgrade`] holds the words for all this that servers and devices share.
//!
//! ```
//! use firmware::{
//!     Banks, BootLoader, BootState, ByteCount, Device, EmulatedFlash, ImageHeader, Installer, Model, Origin,
//!     Version,
//! };
//!
//! fn image(model: Model, version: &str, payload: &[u8]) -> Vec<u8> {
//!     let version = Version::new(version).unwrap();
//!     let header = ImageHeader::describe(model, version, None, payload);
//!     [&header.encode()[..], payload].concat()
//! }
//!
//! let model = Model::new("GM01Q")?;
//! let mut flash = EmulatedFlash::new(Banks::geometry_for(ByteCount(5_000), 4096, 8)?);
//! let banks = Banks::new(firmware::Flash::geometry(&flash))?;
//! let loader = BootLoader::new(banks);
//! loader.provision(&mut flash, &image(model, "5.4.1.1-57830", b"old"))?;
//!
//! // An update arrives in pieces.
//! let running = loader.start(&mut flash)?;
//! let device = Device { model, version: running.header.version };
//! let origin = Origin::new(b"coap://server/image").unwrap();
//! let mut installer = Installer::begin(&mut flash, &banks, device, origin)?;
//! for piece in image(model, "5.4.1.1-57857", &[7; 5_000]).chunks(1_024) {
//!     installer.write(&mut flash, installer.offset(), piece)?;
//! }
//! let verified = installer.finish(&mut flash)?;
//! loader.activate(&mut flash, &verified, firmware::DEFAULT_TRIES)?;
//!
//! // Restart: the new image runs on trial until it is confirmed.
//! let running = loader.start(&mut flash)?;
//! assert_eq!(running.header.version.as_str(), "5.4.1.1-57857");
//! assert_eq!(running.state, BootState::Testing { tries_left: 2 });
//! loader.confirm(&mut flash, running.bank)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate will never do: write into the running bank, boot an image that was not checked and
//! accepted, allocate in anything but [`EmulatedFlash`], open a file.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod banks;
mod boot;
mod checksum;
mod flash;
mod identity;
mod image;
mod installer;
mod intel_hex;
mod journal;
mod record;
pub mod upgrade;
mod version;

pub use banks::{Bank, Banks, LayoutError};
pub use boot::{BootError, BootLoader, Booted, DEFAULT_TRIES};
pub use checksum::{ChecksumStream, Crc32, Crc32Stream, Digest};
pub use flash::{
    ByteCount, ERASED, Flash, FlashAddress, FlashError, Geometry, GeometryError, MAX_WORD_SIZE, PowerCut,
    SectorIndex, Tear,
};
#[cfg(feature = "alloc")]
pub use flash::{EmulatedFlash, Medium, Memory};
pub use identity::{Device, MAX_TEXT, Model, TextError, Version};
pub use image::{HeaderError, HeaderField, IMAGE_HEADER_SIZE, IMAGE_MAGIC, Image, ImageError, ImageHeader};
pub use installer::{InstallError, Installer, Resumed, Verified};
pub use intel_hex::{
    HEX_BANK_SIZE, HexData, HexError, HexFault, HexImage, HexWriter, MemoryAddress, bank_of_hex, is_intel_hex,
};
pub use journal::{MAX_ORIGIN, Origin};
pub use record::{BootRecord, BootState, ImageId, RevertCause};
pub use version::{Versions, version_of, versions_in};
