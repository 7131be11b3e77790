//! Who the devices of the benchmark are.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;

/// One of up to 2^22 devices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DeviceNumber(pub u32);

impl DeviceNumber {
    /// Endpoint name and PSK identity in one, as modules do it.
    pub fn name(self) -> String {
        format!("urn:imei:0157700{:08}", self.0)
    }

    /// A key that both processes can make.
    pub fn key(self) -> [u8; 16] {
        let mut key = *b"bench key 0.....";
        key[12..].copy_from_slice(&self.0.to_be_bytes());
        key
    }

    /// A loopback address that no other device uses: the server tells devices apart by it.
    pub fn address(self) -> SocketAddr {
        // 127.64.0.0/10; the port is fixed, so nothing depends on how many ports are free.
        let [_, high, middle, low] = self.0.to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(127, 64 | high, middle, low), 40_000))
    }

    /// A socket on that address.
    pub fn socket(self, server: SocketAddr) -> anyhow::Result<UdpSocket> {
        let address = self.address();
        let socket = UdpSocket::bind(address).with_context(|| format!("cannot bind {address}"))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    }
}

/// After this time an answer is taken for lost and the message is sent again.
const PATIENCE: Duration = Duration::from_millis(500);
