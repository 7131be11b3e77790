//! A handshake whose flights are lost, doubled, changed, cut and mixed with others: afterwards an undisturbed
//! one still works.

use std::time::Duration;

use dtls::Event;

use crate::dtls_ends::{Datagram, Ends};
use crate::script::Script;

/// Plays a script.
///
/// # Panics
/// If a session comes up with another identity, or no session can come up any more.
pub fn target(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut ends = Ends::calling(script.byte());
    let mut kept: Vec<Datagram> = Vec::new();
    for _ in 0..64 {
        if script.is_over() {
            break;
        }
        match ends.next() {
            Some(datagram) => carry(&mut ends, datagram, &mut kept, &mut script),
            None => idle(&mut ends, &mut script),
        }
    }
    for event in ends.events.iter().flatten() {
        if let Event::Up { identity, .. } = event {
            assert_eq!(identity, b"device");
        }
    }
    check_another_call(&mut ends);
}

fn carry(ends: &mut Ends, mut datagram: Datagram, kept: &mut Vec<Datagram>, script: &mut Script<'_>) {
    kept.push(datagram.clone());
    match script.byte() % 10 {
        0..3 => {}
        3 => return,
        4 => ends.deliver(&datagram),
        5 => datagram.1.truncate(usize::from(script.number())),
        6 => {
            for _ in 0..1 + script.byte() % 4 {
                let (at, change) = (usize::from(script.number()), script.byte());
                if let Some(byte) = datagram.1.get_mut(at) {
                    *byte ^= change;
                }
            }
        }
        7 => {
            let at = usize::from(script.byte()) % kept.len();
            ends.deliver(&kept[at].clone());
        }
        8 => {
            let at = usize::from(script.number()).min(datagram.1.len());
            datagram.1.splice(at..at, script.bytes().iter().copied()).for_each(drop);
        }
        _ => datagram.1 = script.long_bytes().to_vec(),
    }
    ends.deliver(&datagram);
}

/// Nothing is on its way: time passes, something is made up, or the client calls anew.
fn idle(ends: &mut Ends, script: &mut Script<'_>) {
    match script.byte() & 3 {
        0 => ends.call(),
        1 => {
            let datagram = (script.byte() & 1 == 0, script.long_bytes().to_vec());
            ends.deliver(&datagram);
        }
        _ => ends.pass(Duration::from_millis(u64::from(script.number()))),
    }
}

/// Whatever has happened, an undisturbed handshake succeeds a while later (SECURITY, CVE-2020-27222 class).
fn check_another_call(ends: &mut Ends) {
    for _ in 0..10 {
        ends.carry();
        ends.pass(Duration::from_secs(100));
    }
    ends.carry();
    ends.call();
    for _ in 0..10 {
        ends.carry();
        ends.pass(Duration::from_secs(1));
    }
    let call = ends.call;
    let is_up = |event: &Event| matches!(event, Event::Up { session, .. } if *session == call);
    assert!(ends.events[0].iter().any(is_up), "a new call comes up");
}
