//! The flash of a module and of its components, and how they boot.

use firmware::{Banks, BootError, BootLoader, BootState, Booted, LayoutError, PowerCut};
use lwm2m::path::InstanceId;

use super::{Event, Settings};
use crate::{FlashStore, PoweredFlash};

/// One flash with its two banks.
#[derive(Debug)]
struct Part<F> {
    flash: F,
    banks: Banks,
}

/// All flash of a module: its own, and that of each component.
#[derive(Debug)]
pub(super) struct Flashes<F> {
    main: Part<F>,
    components: Vec<Part<F>>,
}

/// What runs after a start.
pub(super) struct Started<F> {
    pub(super) main: FlashStore<F>,
    pub(super) components: Vec<FlashStore<F>>,
    /// What is to be told of it.
    pub(super) events: Vec<Event>,
}

impl<F: PoweredFlash> Flashes<F> {
    pub(super) fn new(main: F, components: Vec<F>) -> Result<Self, LayoutError> {
        let part = |flash: F| Ok(Part { banks: Banks::new(flash.geometry())?, flash });
        Ok(Self {
            main: part(main)?,
            components: components.into_iter().map(part).collect::<Result<_, _>>()?,
        })
    }

    /// Takes them out of what ran.
    pub(super) fn of_stores((main, components): (FlashStore<F>, Vec<FlashStore<F>>)) -> Self {
        let part = |store: FlashStore<F>| {
            let (flash, banks) = store.into_parts();
            Part { flash, banks }
        };
        Self { main: part(main), components: components.into_iter().map(part).collect() }
    }

    pub(super) fn main(&self) -> &F {
        &self.main.flash
    }

    pub(super) fn cut_power(&mut self, cut: PowerCut) {
        self.main.flash.cut_power(cut);
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Part<F>> {
        core::iter::once(&mut self.main).chain(&mut self.components)
    }

    /// Switches the power on and boots everything; gives the flash back if something does not.
    pub(super) fn start(mut self, settings: &Settings) -> Result<Started<F>, (Self, BootError)> {
        let booted: Result<Vec<_>, _> = self.all().map(boot).collect();
        let booted = match booted {
            Ok(booted) => booted,
            Err(error) => return Err((self, error)),
        };
        let events = booted.iter().enumerate().map(|(number, one)| told(number, one)).collect();
        let mut booted = booted.into_iter().map(|(booted, _)| booted);
        let mut store = |Part { flash, banks }, model: Option<firmware::Model>| {
            let booted = booted.next()?;
            Some(FlashStore::new(flash, banks, model.unwrap_or(booted.header.model), booted))
        };
        let Self { main, components } = self;
        let main = store(main, Some(settings.model)).expect("each of them has booted");
        let components = components.into_iter().filter_map(|part| store(part, None)).collect();
        Ok(Started { main, components, events })
    }
}

/// The module itself is number 0, its components follow.
fn told(number: usize, (booted, state): &(Booted, BootState)) -> Event {
    let (bank, version, state) = (booted.bank, booted.header.version, *state);
    match number.checked_sub(1).and_then(|component| u16::try_from(component).ok()) {
        None => Event::Booted { bank, version, state },
        Some(component) => Event::ComponentBooted { component: InstanceId(component), bank, version, state },
    }
}

/// Chooses the image, and confirms one that is on trial: it has booted, which is all that an image here
/// can prove. The second value is what the boot record said before.
fn boot<F: PoweredFlash>(part: &mut Part<F>) -> Result<(Booted, BootState), BootError> {
    let Part { flash, banks } = part;
    if !flash.is_powered() {
        flash.restore_power();
    }
    let loader = BootLoader::new(*banks);
    let mut booted = loader.start(flash)?;
    let state = booted.state;
    if let BootState::Testing { .. } = state {
        loader.confirm(flash, booted.bank)?;
        booted.state = BootState::Updated;
    }
    Ok((booted, state))
}
