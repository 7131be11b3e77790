//! Images under unguessable paths.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::IpAddr;

use coap::{BlockSize, Code, ContentFormat, Payload, Request, Response};
use machine::{Instant, Link};

use super::Server;
use super::devices::DeviceKey;
use super::interface::Refused;

/// What a token opens.
#[derive(Debug)]
pub(super) enum Image {
    /// The image of a part of a running upgrade of this shard, to whoever presents the token.
    Upgrade(DeviceKey, usize),
    /// The image of an upgrade that another shard runs.
    Published(Published),
}

/// An image that another shard's device may fetch here.
#[derive(Debug)]
pub(super) struct Published {
    bytes: Arc<[u8]>,
    tag: [u8; 8],
    /// Who may fetch it; `None` is whoever presents the token.
    identity: Option<Box<[u8]>>,
    /// Where the token was written to.
    address: Option<IpAddr>,
}

impl Server {
    /// Serves the image of an upgrade that another shard runs: a device that fetches it on a session of its
    /// own may come to any shard. With an identity only its sessions get it. Without DTLS the `address` of the
    /// device is served at once, and any other only after an Echo. An upgrade of this shard with the same
    /// token goes first. Ends with [`Server::withdraw_image`]; the owner bounds their number.
    pub fn publish_image(
        &mut self,
        token: &str,
        identity: Option<&[u8]>,
        address: Option<IpAddr>,
        bytes: Arc<[u8]>,
    ) {
        if !matches!(self.images.get(token), Some(Image::Upgrade(..))) {
            let tag = tag_of(&bytes);
            let published = Published { bytes, tag, identity: identity.map(Into::into), address };
            self.images.insert(token.into(), Image::Published(published));
        }
    }

    /// Ends what [`Server::publish_image`] began.
    pub fn withdraw_image(&mut self, token: &str) {
        if matches!(self.images.get(token), Some(Image::Published(_))) {
            self.images.remove(token);
        }
    }

    pub(super) fn serve_image(
        &mut self,
        peer: Link,
        token: &[u8],
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let not_there = || Refused::new(Code::NOT_FOUND, "no such image");
        let token = core::str::from_utf8(token).map_err(|_| not_there())?;
        let accepted = request.options.accept().is_none_or(|format| format == ContentFormat::OCTET_STREAM);
        let (bytes, tag) = match self.images.get(token).ok_or_else(not_there)? {
            _ if !accepted => return Err(Refused::new(Code::NOT_ACCEPTABLE, "images are octet streams")),
            Image::Published(image) => {
                let session = self.session(peer).map(|session| &*session.identity);
                if image.identity.is_some() && image.identity.as_deref() != session {
                    return Err(not_there());
                }
                let (served, written) = ((image.bytes.clone(), image.tag), image.address);
                self.prove_at(written, peer);
                served
            }
            Image::Upgrade(key, part) => {
                let (key, part) = (*key, *part);
                let image = self.upgrade_image(key, part).ok_or_else(not_there)?;
                self.note_served((key, part), &image.0, request, now);
                self.prove_receiver(key, peer);
                image
            }
        };
        let content = ContentFormat::OCTET_STREAM;
        // Options in the order of their numbers are not moved again.
        Ok(Response::new(Code::CONTENT).etag(&tag).content(content, Payload::Shared(bytes)))
    }

    /// The token was written to the device's address, so whoever presents it from there receives what is
    /// sent there (SECURITY n03). From anywhere else it takes an Echo.
    fn prove_receiver(&mut self, key: DeviceKey, peer: Link) {
        let link = self.devices.get(key).and_then(|device| device.registration.as_ref()?.link);
        let address = link.and_then(|link| match link {
            Link::Open(written) => Some(written.remote.ip()),
            Link::Secured(_) => Some(self.remote(link)?.ip()),
        });
        self.prove_at(address, peer);
    }

    fn prove_at(&mut self, written: Option<IpAddr>, peer: Link) {
        match peer {
            Link::Open(path) if written == Some(path.remote.ip()) => self.coap.prove(peer),
            _ => {}
        }
    }

    /// Tells the upgrade which bytes its device gets now.
    fn note_served(
        &mut self,
        (key, part): (DeviceKey, usize),
        bytes: &Arc<[u8]>,
        request: &Request,
        now: Instant,
    ) {
        let whole = (0, BlockSize::LARGEST.bytes());
        let block = request.options.block2();
        let (offset, size) = block.map_or(whole, |block| (block.offset(), block.size.bytes()));
        let length = (bytes.len() as u64).saturating_sub(offset).min(size as u64);
        if length > 0 {
            self.with_procedure(key, now, |procedure| {
                // A part of which blocks are still repeated may have been left behind.
                if procedure.part() == part {
                    procedure.handle_served(offset, length, now);
                }
            });
        }
    }
}

/// FNV-1a over the bytes, eight at a time: tells versions of an image apart, no more.
pub(super) fn tag_of(bytes: &[u8]) -> [u8; 8] {
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^ (hash >> 32)
    };
    // Each multiplication waits for the one before, so there are four rows of them: images are long.
    let mut lanes = [0xcbf2_9ce4_8422_2325_u64; 4];
    let (words, rest) = bytes.as_chunks::<8>();
    let (rows, last) = words.as_chunks::<4>();
    for row in rows {
        for (lane, word) in lanes.iter_mut().zip(row) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
    let hash = lanes.into_iter().fold(bytes.len() as u64, mix);
    let hash = last.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))).to_be_bytes()
}
