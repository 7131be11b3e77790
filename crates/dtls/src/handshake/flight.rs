//! What we have sent last and send again until it is answered (RFC 6347 section 4.2.4).

use alloc::vec::Vec;

use machine::Random;

use super::MAX_FLIGHT;
use crate::channel::Channel;
use crate::wire::Version;
use crate::wire::hello::HelloRandom;
use crate::wire::message::{self, FINISHED_LENGTH, Fragments};
use crate::wire::record::{self, ContentType};

/// The messages of a flight and the numbers of its unprotected records.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Unprotected messages, one behind the other.
    messages: Vec<u8>,
    /// A Finished with its header, sent protected behind a ChangeCipherSpec.
    finished: Option<[u8; FINISHED_LENGTH]>,
    version: Version,
    next_sequence: u64,
}

impl Flight {
    /// The first flight; its records count from `next_sequence`.
    pub(super) const fn first(messages: Vec<u8>, version: Version, next_sequence: u64) -> Self {
        Self { messages, finished: None, version, next_sequence }
    }

    /// The flight after this one.
    pub(super) const fn followed_by(
        &self,
        messages: Vec<u8>,
        finished: Option<[u8; FINISHED_LENGTH]>,
    ) -> Self {
        Self { messages, finished, version: Version::DTLS_1_2, next_sequence: self.next_sequence }
    }

    pub(super) fn encode(&mut self, channel: Option<&mut Channel>, random: &mut Random) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(MAX_FLIGHT);
        for message in Fragments::of(&self.messages).flatten().filter_map(|fragment| fragment.whole()) {
            let sequence = take(&mut self.next_sequence);
            let length = message::HEADER_LENGTH + message.body.len();
            datagram.extend_from_slice(&record::header(
                ContentType::HANDSHAKE,
                self.version,
                record::Position::new(0, sequence),
                length,
            ));
            message.push(&mut datagram);
        }
        if let (Some(finished), Some(channel)) = (&self.finished, channel) {
            push_finished(finished, take(&mut self.next_sequence), channel, random, &mut datagram);
        }
        datagram
    }

    pub(super) fn push_alert(&mut self, alert: [u8; 2], datagram: &mut Vec<u8>) {
        let sequence = take(&mut self.next_sequence);
        record::push_plain(datagram, ContentType::ALERT, Version::DTLS_1_2, sequence, &alert);
    }

    pub(super) fn into_last(self, client_random: HelloRandom) -> Option<LastFlight> {
        self.finished?;
        Some(LastFlight { flight: self, client_random })
    }
}

/// The flight that ends a handshake, kept until the peer shows that it has it.
#[derive(Debug)]
pub(crate) struct LastFlight {
    flight: Flight,
    /// Tells a late copy of this handshake's ClientHello from a new one.
    pub(crate) client_random: HelloRandom,
}

impl LastFlight {
    pub(crate) fn encode(&mut self, channel: &mut Channel, random: &mut Random) -> Vec<u8> {
        self.flight.encode(Some(channel), random)
    }
}

fn push_finished(
    finished: &[u8; FINISHED_LENGTH],
    sequence: u64,
    channel: &mut Channel,
    random: &mut Random,
    datagram: &mut Vec<u8>,
) {
    record::push_plain(datagram, ContentType::CHANGE_CIPHER_SPEC, Version::DTLS_1_2, sequence, &[1]);
    channel.push(ContentType::HANDSHAKE, finished, random, datagram);
}

/// Unprotected records need no unique number, only a growing one.
const fn take(next: &mut u64) -> u64 {
    let sequence = *next & record::Position::SEQUENCE_MASK;
    *next = sequence + 1;
    sequence
}
