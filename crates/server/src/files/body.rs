//! The body of a response: an image in pieces, straight from the memory that all downloads share.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::offers::{Offer, Offers};

/// Bytes handed out at once, and the step in which progress is told.
const PIECE: usize = 16 << 10;

/// Nothing, or a part of an image.
#[derive(Debug)]
pub struct ImageBody {
    image: Option<(Arc<Offer>, Offers)>,
    left: Range<usize>,
}

/// The upgrade ended while its image was on its way; the connection is cut, so that the device does not take
/// what it has for the whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the image was withdrawn")]
pub struct Withdrawn;

impl ImageBody {
    pub fn empty() -> Self {
        Self { image: None, left: 0..0 }
    }

    pub(super) fn of(offer: Arc<Offer>, offers: Offers, part: Range<usize>) -> Self {
        Self { image: Some((offer, offers)), left: part }
    }
}

impl Body for ImageBody {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        let body = self.get_mut();
        let Some((offer, offers)) = body.image.as_ref().filter(|_| !body.left.is_empty()) else {
            return Poll::Ready(None);
        };
        if offer.is_withdrawn() {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        let piece = body.left.start..body.left.end.min(body.left.start + PIECE);
        offers.note(offer, piece.start as u64, piece.len() as u64);
        let bytes = offer.bytes.slice(piece.clone());
        body.left.start = piece.end;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Served;
    use crate::store::upgrades::UpgradeKey;

    fn poll(body: &mut ImageBody) -> Option<Result<Bytes, Withdrawn>> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => panic!("memory is never late"),
        }
    }

    #[test]
    fn pieces_are_told_and_end_with_the_offer() {
        let (offers, mut served) = Offers::new();
        offers.publish("token", UpgradeKey(7), vec![5; 50_000].into(), "aa");
        let offer = offers.find("token").unwrap();
        let mut body = ImageBody::of(offer, offers.clone(), 10_000..50_000);
        assert_eq!(body.size_hint().exact(), Some(40_000));
        assert_eq!(poll(&mut body).unwrap().unwrap().len(), PIECE);
        let first = Served { upgrade: UpgradeKey(7), offset: 10_000, length: PIECE as u64 };
        assert_eq!(served.try_recv(), Ok(first));
        offers.withdraw("token");
        assert_eq!(poll(&mut body), Some(Err(Withdrawn)));
        assert!(offers.find("token").is_none());
    }
}
