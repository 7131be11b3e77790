//! What an endpoint tells its owner.

use crate::{BlockSize, Code, Request, Response, Token};

/// A request, observation or notification that we made. Never used twice by one endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// A request of a peer that waits for our answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IncomingId {
    pub(super) slot: u32,
    pub(super) generation: u32,
    pub(super) token: Token,
}

impl IncomingId {
    /// The token of the request; notifications of an observation carry it.
    pub const fn token(&self) -> Token {
        self.token
    }
}

/// What has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<P> {
    /// A peer asks for something. Answer with [`Endpoint::respond`](crate::Endpoint::respond), always.
    Request {
        /// Who asks.
        peer: P,
        /// Names the request in the answer.
        id: IncomingId,
        /// What is asked; its body is whole unless `block` is set.
        request: Request,
        /// For a path in [`Config::streamed`](crate::Config::streamed) that comes in blocks: which part
        /// of the body this is. Answer 2.31 (Continue) to all but the last.
        block: Option<BodyBlock>,
    },
    /// A peer has answered our request, well or not.
    Response {
        /// Who answers.
        peer: P,
        /// Our request.
        id: RequestId,
        /// The answer; its body is whole unless our request carried a Block2 option or was made by
        /// [`Request::one_block`].
        response: Response,
    },
    /// A newer state of a resource that we observe.
    Notification {
        /// Who reports.
        peer: P,
        /// The observation.
        id: RequestId,
        /// The state.
        response: Response,
    },
    /// The peer will not notify us any more, or never began to.
    ObservationEnded {
        /// Who reported.
        peer: P,
        /// The observation. It is gone.
        id: RequestId,
        /// The last word, if this came with one: an error, or a last state.
        response: Option<Response>,
    },
    /// A part of our request's body has arrived.
    Progress {
        /// Who has it.
        peer: P,
        /// Our request.
        id: RequestId,
        /// Bytes that have arrived.
        sent: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A confirmable notification of ours has arrived.
    Delivered {
        /// Who has it.
        peer: P,
        /// The notification.
        id: RequestId,
    },
    /// A request or notification of ours has come to nothing.
    Failed {
        /// Whom it was for.
        peer: P,
        /// The request or notification.
        id: RequestId,
        /// Why.
        failure: Failure,
    },
    /// A peer does not want notifications with this token any more (it answered one with a reset).
    ObservationCanceled {
        /// Who does not want them.
        peer: P,
        /// The token of its observation.
        token: Token,
    },
}

/// A part of the body of a streamed request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyBlock {
    /// Where it starts, in bytes; zero begins a new body.
    pub offset: u64,
    /// Whether the body ends with it.
    pub last: bool,
    /// The size of the blocks.
    pub size: BlockSize,
    /// The size of the whole body in bytes, if the peer has told.
    pub total: Option<u64>,
}

/// Why a request or notification of ours came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// No acknowledgement after all repetitions, or no response in time.
    TimedOut,
    /// The peer rejected the message itself (RFC 7252 section 4.2).
    Reset,
    /// [`Endpoint::forget`](crate::Endpoint::forget) was called for the peer.
    PeerGone,
    /// Too much waits for this peer already.
    QueueFull,
    /// The peer has as many observations of ours as we allow.
    TooManyObservations,
    /// The message does not fit into a datagram even in the smallest blocks.
    TooLarge,
    /// The peer refused a block of our body with this code.
    TransferRejected(Code),
    /// The peer answered with success before the last block of our body: do not believe it.
    TransferEndedEarly(Code),
    /// The peer acknowledged another block than the one we sent, or sent another than we asked for.
    TransferMismatch,
    /// The body of the response is larger than we join.
    BodyTooLarge,
    /// The body of the response changed while we read it, twice.
    BodyChanged,
    /// The response has a critical option that we do not understand, or an unusable one.
    Malformed,
}

/// How to end an observation of ours (RFC 7641 section 3.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancelBy {
    /// Forget it; the next notification is reset. No event follows.
    Reset,
    /// Ask the peer with a GET. `ObservationEnded` follows.
    Request,
}
