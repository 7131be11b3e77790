//! One round: some of every work, beside an echo.

use net::Clock;

use crate::device::DeviceNumber;
use crate::load::{BLOCK, Fleet, Plain, Secured, WAVE};
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
    download: Series,
}

/// Devices that download at the same time.
const DOWNLOADS: u32 = 16;
/// How often each device updates, and how often each of a wave of sockets echoes, in a round.
const UPDATES: u32 = 4;
const ECHOES: u32 = 32;
/// Numbers of devices without a key begin here: echoes, downloads, registrations without DTLS.
const ECHOING: u32 = 3_000_000;
const DOWNLOADING: u32 = 2_000_000;
const PLAIN: u32 = 1_000_000;
const MEGABYTE: f64 = 1e6;

impl Run {
    /// Devices that come in new over either kind of link in a round.
    pub const DEVICES: u32 = 8 * WAVE as u32;
    /// What they download.
    pub const IMAGE_BYTES: usize = BLOCKS as usize * BLOCK;

    /// Nothing measured yet.
    pub fn new(target: &Target) -> anyhow::Result<Self> {
        Ok(Self {
            clock: Clock::start(),
            echoes: Fleet::open(&numbers(ECHOING, WAVE as u32), |device| Plain::open(device, target.echo))?,
            echo: Series::new("echo", "datagram", None),
            plain: Lines {
                register: Series::new("register", "request", Some(15.0)),
                update: Series::new("update", "request", Some(6.0)),
                download: Series::new("download", "MB", Some(6_000.0)),
            },
            secured: Lines {
                register: Series::new("register in DTLS", "request", Some(18.0)),
                update: Series::new("update in DTLS", "request", Some(8.0)),
                download: Series::new("download in DTLS", "MB", Some(10_000.0)),
            },
            handshake: Series::new("handshake", "session", Some(25.0)),
        })
    }

    /// Some of every work, with devices that no other round has.
    pub fn round(&mut self, target: &mut Target, round: u16) -> anyhow::Result<()> {
        let operations = f64::from(ECHOES) * WAVE as f64;
        self.echo.round(target, Service::Echo, operations, || self.echoes.echo(ECHOES))?;

        let first = u32::from(round) * Self::DEVICES;
        let open = target.open;
        let mut fleet =
            Fleet::open(&numbers(PLAIN + first, Self::DEVICES), |device| Plain::open(device, open))?;
        self.plain.requests(target, &mut fleet)?;
        let mut few = Fleet::open(&numbers(DOWNLOADING, DOWNLOADS), |device| Plain::open(device, open))?;
        self.plain.download(target, &mut few, round)?;

        let (secured, clock) = (target.secured, self.clock);
        let devices = numbers(first, Self::DEVICES);
        let mut fleet = Fleet::open(&devices, |device| Secured::open(device, secured, clock))?;
        let operations = f64::from(Self::DEVICES);
        self.handshake.round(target, Service::Subject, operations, || fleet.handshakes())?;
        self.secured.requests(target, &mut fleet)?;
        fleet.keep(DOWNLOADS as usize);
        self.secured.download(target, &mut fleet, round)
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
            &plain.download,
            &secured.download,
        ];
        order.map(|series| series.work(echo)).into()
    }
}

impl Lines {
    fn requests<C: crate::load::Channel>(
        &mut self,
        target: &mut Target,
        fleet: &mut Fleet<C>,
    ) -> anyhow::Result<()> {
        let operations = f64::from(Run::DEVICES);
        self.register.round(target, Service::Subject, operations, || fleet.register())?;
        self.update.round(target, Service::Subject, operations * f64::from(UPDATES), || {
            (0..UPDATES).try_for_each(|_| fleet.update())
        })
    }

    fn download<C: crate::load::Channel>(
        &mut self,
        target: &mut Target,
        fleet: &mut Fleet<C>,
        round: u16,
    ) -> anyhow::Result<()> {
        let megabytes = f64::from(DOWNLOADS) * Run::IMAGE_BYTES as f64 / MEGABYTE;
        self.download.round(target, Service::Subject, megabytes, || fleet.download(BLOCKS, round))
    }
}

/// Half a megabyte, so that downloads take about as long as the other work of a round.
const BLOCKS: u32 = 512;

fn numbers(first: u32, count: u32) -> Vec<DeviceNumber> {
    (first..first + count).map(DeviceNumber).collect()
}
