//! A way over TCP that breaks.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Passes connections on, and cuts the first ones after so many bytes towards the module.
pub struct CuttingRelay {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl CuttingRelay {
    /// Cuts one connection for each of `cuts`; later ones go through.
    pub fn start(server: SocketAddr, cuts: &[u64]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let (cuts, counter) = (cuts.to_vec(), connections.clone());
        // Ends with the process: nobody else waits for it.
        std::thread::spawn(move || {
            while let Ok((module, _)) = listener.accept() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(server) else { continue };
                pass(&module, &server, cuts.get(number).copied());
            }
        });
        Self { address, connections }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many there were so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn pass(module: &TcpStream, server: &TcpStream, cut: Option<u64>) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("it is open");
    let (mut from_module, mut to_server) = (copy(module), copy(server));
    std::thread::spawn(move || {
        // Either side may hang up whenever it wants.
        let _ = std::io::copy(&mut from_module, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_module) = (copy(server), copy(module));
    std::thread::spawn(move || {
        let mut left = cut.unwrap_or(u64::MAX);
        let mut buffer = [0; 4_096];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match from_server.read(&mut buffer[..most]) {
                Ok(0) | Err(_) => break,
                Ok(length) if to_module.write_all(&buffer[..length]).is_ok() => left -= length as u64,
                Ok(_) => break,
            }
        }
        let _ = from_server.shutdown(Shutdown::Both);
        let _ = to_module.shutdown(Shutdown::Both);
    });
}
