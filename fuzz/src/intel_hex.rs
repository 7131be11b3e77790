//! Intel HEX files: what is read can be written and then reads the same.

use firmware::{Bank, HEX_BANK_SIZE, HexError, HexImage, HexWriter, bank_of_hex};

/// Takes a file.
///
/// # Panics
/// If data leaves its bank, if the sizes do not add up, or if what was read reads differently after it was
/// written.
pub fn target(bytes: &[u8]) {
    let image = match HexImage::parse(bytes) {
        Ok(image) => image,
        Err(HexError { line, .. }) => {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 2;
            assert!((1..=lines).contains(&(line as usize)), "line {line} of {lines}");
            return;
        }
    };
    let first = image.bank().linked_at().0;
    let mut writer = HexWriter::new(String::new());
    let mut size = 0;
    for data in image.data() {
        let end = data.address.0 as usize + data.bytes().len();
        assert!(data.address.0 >= first && end <= first as usize + HEX_BANK_SIZE);
        size += data.bytes().len();
        writer.data(data.address, data.bytes()).expect("room in memory");
    }
    assert_eq!(size, image.size().0 as usize);
    let text = writer.finish().expect("room in memory");
    let again = HexImage::parse(text.as_bytes()).expect("a file of our own");
    assert_eq!((again.bank(), again.size()), (image.bank(), image.size()));
    assert!(filled(&image) == filled(&again));
    assert_eq!(bank_of_hex(bytes), Ok(image.bank()));
    assert_eq!(Bank::from_number(image.bank().number()), Some(image.bank()));
}

fn filled(image: &HexImage<'_>) -> Vec<u8> {
    let mut bank = vec![0; HEX_BANK_SIZE];
    image.fill(bank.as_mut_slice().try_into().expect("the size of a bank"));
    bank
}
