//! What is left of a server after a power cut at any moment of its life (FAULTS 4.6). The real server runs
//! once and what it does to its data folder is written down; then the folder is made again as the disk may
//! hold it at a cut, many times, and opened.
//!
//! 300 cuts, or as many as `POWER_CUTS` says (such as 10000).

mod disk;
mod trace;
mod verdict;

use std::path::Path;

use e2e::Conditions;
use machine::Random;

use crate::rig::{ENDPOINT, NEW, OLD, Rig};
use disk::after_cut;
use trace::{Operation, Tracer};
use verdict::{REMOVED, verify};

#[test]
fn f48_nothing_that_was_acknowledged_is_lost_by_a_power_cut() {
    let operations = recorded();
    let cuts: u64 = std::env::var("POWER_CUTS").map_or(300, |cuts| cuts.parse().expect("a number"));
    let mut random = Random::from_number(4_711);
    for number in 0..cuts {
        // The last moment too, and each of the recorded ones as likely.
        let cut = random.below(operations.len() as u64 + 1) as usize;
        if let Err(fault) = try_cut(&operations, cut, &mut random) {
            panic!("cut {number}, before operation {cut} of {}: {fault}", operations.len());
        }
    }

    // The same would be noticed on a server that does not wait for its disk.
    let mut faults_without = |is_left_out: fn(&Operation) -> bool| {
        let left: Vec<_> = operations.iter().filter(|operation| !is_left_out(operation)).cloned().collect();
        let is_fault = |_: &u64| {
            let cut = random.below(left.len() as u64 + 1) as usize;
            try_cut(&left, cut, &mut random).is_err()
        };
        (0..50).filter(is_fault).count()
    };
    assert!(faults_without(|operation| matches!(operation, Operation::SyncFile(_))) > 10);
    assert!(faults_without(|operation| matches!(operation, Operation::SyncFolder(_))) > 0);
}

fn try_cut(operations: &[Operation], cut: usize, random: &mut Random) -> Result<(), String> {
    let disk = after_cut(operations, cut, random);
    // Nothing here has to survive the machine, so memory is as good as a disk.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("there is room");
    disk.write_to(folder.path());
    let marks = operations[..cut].iter().filter_map(|operation| match operation {
        Operation::Mark(text) => Some(text.as_str()),
        _ => None,
    });
    verify(folder.path(), &marks.collect::<Vec<_>>())
}

/// The life of a server: it is used by several at once, upgrades a device, is killed, is stopped.
fn recorded() -> Vec<Operation> {
    let tracer = Tracer::create();
    let mut rig = Rig::start_with(Conditions::PERFECT, &tracer.settings());
    for mark in ["life 1", &format!("device {ENDPOINT}"), "package new", "package old"] {
        tracer.mark(mark);
    }
    add_devices(&rig, &tracer, 0);
    let mut module = rig.module(&[]);
    module.event("registered");
    let id = rig.start_upgrade("new", "pull");
    tracer.mark(&format!("upgrade {id}"));
    let watch = rig.server.watch(&id);
    module.event("updating");
    tracer.mark(&format!("intent {id}"));
    watch.end().assert_success(NEW);
    tracer.mark(&format!("ended {id}"));

    rig.server.kill();
    rig.server.restart();
    tracer.mark("life 2");
    rig.server.answer(&["device", "remove", REMOVED]);
    tracer.mark(&format!("gone {REMOVED}"));
    module.event("registered");
    add_devices(&rig, &tracer, 1);
    let id = rig.start_upgrade("old", "push");
    tracer.mark(&format!("upgrade {id}"));
    rig.server.watch(&id).end().assert_success(OLD);
    tracer.mark(&format!("ended {id}"));

    rig.server.terminate();
    rig.server.restart();
    tracer.mark("life 3");
    add_devices(&rig, &tracer, 2);
    rig.server.kill();
    tracer.operations()
}

/// Several at once share commits; an image comes among them.
fn add_devices(rig: &Rig, tracer: &Tracer, round: usize) {
    std::thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                let endpoint = format!("more-{round}-{number}");
                rig.server.answer(&["device", "add", &endpoint, "--identity", &endpoint]);
                tracer.mark(&format!("device {endpoint}"));
            });
        }
        scope.spawn(|| {
            let name = format!("more {round}");
            let version = format!("5.4.1.1-{round}");
            rig.upload(&name, &version);
            tracer.mark(&format!("package {name}"));
        });
    });
}
