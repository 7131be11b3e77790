//! Capture files that tshark reads.
//!
//! The classic pcap format: a header of 24 bytes, then per packet 16 bytes and the packet. Link type 101
//! (raw IP), so a packet begins with its IP header; it is made here, since the relay sees UDP payload only.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const LINK_TYPE_RAW: u32 = 101;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// A capture file that is being written.
pub(super) struct Capture {
    file: BufWriter<File>,
}

impl Capture {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&MAGIC_MICROSECONDS.to_le_bytes())?;
        file.write_all(&2_u16.to_le_bytes())?;
        file.write_all(&4_u16.to_le_bytes())?;
        file.write_all(&[0; 8])?; // time zone and accuracy: both unused
        file.write_all(&65_535_u32.to_le_bytes())?;
        file.write_all(&LINK_TYPE_RAW.to_le_bytes())?;
        Ok(Self { file })
    }

    /// Adds a datagram that travelled `from` → `to` this long after the start.
    pub(super) fn write(
        &mut self,
        at: Duration,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        let packet = packet(from, to, payload);
        let length = u32::try_from(packet.len()).map_err(io::Error::other)?;
        let seconds = u32::try_from(at.as_secs()).map_err(io::Error::other)?;
        self.file.write_all(&seconds.to_le_bytes())?;
        self.file.write_all(&at.subsec_micros().to_le_bytes())?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&packet)
    }

    /// Makes everything written so far visible to readers of the file.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// An IP packet with one UDP datagram. Both addresses are of one family, as they are on a socket.
fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut udp = Vec::with_capacity(UDP_HEADER + payload.len());
    let length = (UDP_HEADER + payload.len()) as u16;
    udp.extend(from.port().to_be_bytes());
    udp.extend(to.port().to_be_bytes());
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let checksum = match checksum(&[&pseudo_header(from, to, length), &udp]) {
        0 => u16::MAX, // zero would mean that there is none (RFC 768)
        other => other,
    };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    let mut packet = ip_header(from.ip(), to.ip(), length);
    packet.extend(udp);
    packet
}

fn ip_header(from: IpAddr, to: IpAddr, length: u16) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend((20 + length).to_be_bytes());
            header.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let checksum = checksum(&[&header]);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            header
        }
        (from, to) => {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length.to_be_bytes());
            header.extend([UDP, 64]);
            header.extend(six(from));
            header.extend(six(to));
            header
        }
    }
}

fn pseudo_header(from: SocketAddr, to: SocketAddr, length: u16) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    for address in [from.ip(), to.ip()] {
        match address {
            IpAddr::V4(address) => header.extend(address.octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    header.extend([0, UDP]);
    header.extend(length.to_be_bytes());
    header
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The Internet checksum (RFC 1071) over the parts, all of even length but the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words.map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0))).sum();
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_agree_with_the_example_of_rfc_1071() {
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&example]), !0xddf2);
        assert_eq!(checksum(&[&example[..4], &example[4..]]), !0xddf2);
    }

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        let (from, to) = (SocketAddr::from(([192, 0, 2, 1], 9)), SocketAddr::from(([192, 0, 2, 2], 5_683)));
        let packet = packet(from, to, b"odd");
        assert_eq!(packet.len(), 20 + 8 + 3);
        assert_eq!(checksum(&[&packet[..20]]), 0);
        assert_eq!(checksum(&[&pseudo_header(from, to, 11), &packet[20..]]), 0);
    }
}
