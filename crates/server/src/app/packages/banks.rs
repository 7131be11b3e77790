//! Packages for modules with two banks: an image for each, linked to the addresses of its bank.

use firmware::{Bank, HexImage};

use super::UploadError;
use super::contents::DeviceFile;

/// Each file is Intel HEX for the bank that the manifest says (FAULTS F25).
///
/// # Errors
/// A file is none, or is linked for the other bank.
pub fn check(files: &[DeviceFile]) -> Result<(), UploadError> {
    for file in files {
        let name = file.name.clone().unwrap_or_default();
        let wrong = |problem: String| UploadError::Bank { name: name.clone(), problem };
        let image = HexImage::parse(&file.bytes).map_err(|error| wrong(error.to_string()))?;
        let wanted = file.bank.and_then(Bank::from_number);
        if wanted != Some(image.bank()) {
            let said = file.bank.map_or_else(|| "no bank".to_owned(), |bank| format!("bank {bank}"));
            return Err(wrong(format!(
                "the manifest says {said}, but the image is linked for bank {}",
                image.bank().number()
            )));
        }
    }
    Ok(())
}
