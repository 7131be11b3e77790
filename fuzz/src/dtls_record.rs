//! Records of a session that is up, changed on the way or made up: only what the peer sealed is taken, once.

use std::time::Duration;

use dtls::Event;

use crate::dtls_ends::Ends;
use crate::script::Script;

/// Plays a script.
///
/// # Panics
/// If anything comes out that was not sealed by the other side, or comes out twice.
pub fn target(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut ends = Ends::calling(script.byte());
    ends.carry();
    let server = ends.server_session().expect("a handshake without loss succeeds");
    let mut sealed: Vec<(bool, Vec<u8>)> = Vec::new();
    for number in 0..64_u8 {
        if script.is_over() {
            break;
        }
        let choice = script.byte();
        let from_client = choice & 1 == 0;
        let mut buffer = [0; 2_048];
        let plaintext = [&[number], script.bytes()].concat();
        let written = if from_client {
            ends.client.seal(ends.call, &plaintext, &mut buffer)
        } else {
            ends.server.seal(server, &plaintext, &mut buffer)
        };
        let mut record = written.map(|(_, length)| buffer[..length].to_vec()).unwrap_or_default();
        spoil(&mut record, &mut script);
        for _ in 0..1 + (choice >> 1 & 1) {
            ends.deliver(&(from_client, record.clone()));
        }
        sealed.push((from_client, plaintext));
        if choice & 0x80 != 0 {
            ends.pass(Duration::from_secs(u64::from(script.byte())));
        }
        ends.carry();
    }
    check(&ends, sealed);
}

/// Changes, cuts or replaces a record, or puts something behind it.
fn spoil(record: &mut Vec<u8>, script: &mut Script<'_>) {
    match script.byte() & 7 {
        0..3 => {}
        3 => record.truncate(usize::from(script.number())),
        4 => *record = script.bytes().to_vec(),
        5 => record.extend_from_slice(script.bytes()),
        6 => record.splice(..0, script.bytes().iter().copied()).for_each(drop),
        _ => {
            let (at, change) = (usize::from(script.number()), script.byte());
            if let Some(byte) = record.get_mut(at) {
                *byte ^= change;
            }
        }
    }
}

fn check(ends: &Ends, mut sealed: Vec<(bool, Vec<u8>)>) {
    for (events, from_client) in [(&ends.events[1], true), (&ends.events[0], false)] {
        for event in events {
            let Event::Data { bytes, .. } = event else { continue };
            let known = sealed.iter().position(|known| *known == (from_client, bytes.clone()));
            sealed.swap_remove(known.expect("a record that was sealed, for the first time"));
        }
    }
}
