//! One round: some of every work, beside an echo.

use firmware::upgrade::Delivery;
use net::Clock;

use crate::device::DeviceNumber;
use crate::load::{Channel, Fleet, LinkKind, Modules, Plain, Secured, WAVE};
use crate::measure::Series;
use crate::report::Work;
use crate::target::{Service, Target};

/// All series of a run.
pub struct Run {
    clock: Clock,
    echoes: Fleet<Plain>,
    echo: Series,
    plain: Lines,
    secured: Lines,
    handshake: Series,
}

/// What is done over either kind of link.
struct Lines {
    register: Series,
    update: Series,
    pull: Series,
    push: Series,
}

/// Devices that register and update in a round, over either kind of link.
const REGISTERING: u32 = 8 * WAVE as u32;
/// Devices that download at the same time.
const DOWNLOADS: u32 = 16;
/// How often each device updates, and how often each of a wave of sockets echoes, in a round.
const UPDATES: u32 = 4;
const ECHOES: u32 = 32;
/// Numbers of devices without a key begin here.
const ECHOING: u32 = 3_000_000;
const PLAIN: u32 = 1_000_000;
const MEGABYTE: f64 = 1e6;

impl Run {
    /// Devices that come in new over either kind of link in a round.
    pub const DEVICES: u32 = REGISTERING + 2 * DOWNLOADS;
    /// What they download: half a megabyte, so that downloads take about as long as the other work of a round.
    pub const IMAGE_BYTES: usize = 512 * 1_024;

    /// Nothing measured yet.
    pub fn new(target: &Target) -> anyhow::Result<Self> {
        Ok(Self {
            clock: Clock::start(),
            echoes: Fleet::open(&numbers(ECHOING, WAVE as u32), |device| Plain::open(device, target.echo))?,
            echo: Series::new("echo", "datagram", None),
            plain: Lines {
                register: Series::new("register", "request", Some(15.0)),
                update: Series::new("update", "request", Some(6.0)),
                pull: Series::new("PULL by Block2", "MB", Some(6_000.0)),
                push: Series::new("PUSH by Block1", "MB", Some(10_000.0)),
            },
            secured: Lines {
                register: Series::new("register in DTLS", "request", Some(18.0)),
                update: Series::new("update in DTLS", "request", Some(8.0)),
                pull: Series::new("PULL in DTLS", "MB", Some(10_000.0)),
                push: Series::new("PUSH in DTLS", "MB", None),
            },
            handshake: Series::new("handshake", "session", Some(25.0)),
        })
    }

    /// Some of every work, with devices that no other round has.
    pub fn round(&mut self, target: &mut Target, round: u16) -> anyhow::Result<()> {
        let operations = f64::from(ECHOES) * WAVE as f64;
        self.echo.round(target, Service::Echo, operations, |_| self.echoes.echo(ECHOES))?;

        let first = u32::from(round) * Self::DEVICES;
        let open = target.open;
        let devices = numbers(PLAIN + first, REGISTERING);
        let mut fleet = Fleet::open(&devices, |device| Plain::open(device, open))?;
        self.plain.requests(target, &mut fleet)?;
        self.plain.downloads(target, LinkKind::Open, PLAIN + first + REGISTERING)?;

        let (secured, clock) = (target.secured, self.clock);
        let devices = numbers(first, REGISTERING);
        let mut fleet = Fleet::open(&devices, |device| Secured::open(device, secured, clock))?;
        let operations = f64::from(REGISTERING);
        self.handshake.round(target, Service::Subject, operations, |_| fleet.handshakes())?;
        self.secured.requests(target, &mut fleet)?;
        self.secured.downloads(target, LinkKind::Secured, first + REGISTERING)
    }

    /// What came out, the floor first.
    pub fn work(&self) -> Vec<Work> {
        let Self { echo, plain, secured, handshake, .. } = self;
        let order = [
            echo,
            &plain.update,
            &secured.update,
            &plain.register,
            &secured.register,
            handshake,
            &plain.pull,
            &secured.pull,
            &plain.push,
            &secured.push,
        ];
        order.map(|series| series.work(echo)).into()
    }
}

impl Lines {
    fn requests<C: Channel>(&mut self, target: &mut Target, fleet: &mut Fleet<C>) -> anyhow::Result<()> {
        let operations = f64::from(REGISTERING);
        self.register.round(target, Service::Subject, operations, |_| fleet.register())?;
        self.update.round(target, Service::Subject, operations * f64::from(UPDATES), |_| {
            (0..UPDATES).try_for_each(|_| fleet.update())
        })
    }

    fn downloads(&mut self, target: &mut Target, kind: LinkKind, first: u32) -> anyhow::Result<()> {
        let megabytes = f64::from(DOWNLOADS) * Run::IMAGE_BYTES as f64 / MEGABYTE;
        let works = [(&mut self.pull, Delivery::Pull), (&mut self.push, Delivery::Push)];
        for ((series, delivery), first) in works.into_iter().zip([first, first + DOWNLOADS]) {
            let _modules = Modules::start(target, kind, &numbers(first, DOWNLOADS))?;
            series.round(target, Service::Subject, megabytes, |target| {
                target.upgrade(delivery, DeviceNumber(first), DOWNLOADS)
            })?;
        }
        Ok(())
    }
}

fn numbers(first: u32, count: u32) -> Vec<DeviceNumber> {
    (first..first + count).map(DeviceNumber).collect()
}
