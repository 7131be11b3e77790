//! Write-Attributes: when a notification may and must come (LwM2M Core 1.1 section 5.1.2, 1.2 section 7.3.2).

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::format::link::LinkWriter;
use crate::path::Path;
use crate::value::Kind;

/// At most this many places have attributes of their own.
const MOST_PLACES: usize = 32;

/// The attributes that a server has written.
#[derive(Default, Debug)]
pub(super) struct Attributes(BTreeMap<Path, Conditions>);

/// What has to hold for a notification.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct Conditions {
    /// pmin and pmax, in seconds.
    pub(super) minimum: Option<u32>,
    pub(super) maximum: Option<u32>,
    /// gt, lt and st.
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
    pub(super) step: Option<f64>,
    /// epmin and epmax, in seconds. Values here change only when somebody changes them, so that looking
    /// again after the latter would never find anything new.
    pub(super) evaluation_minimum: Option<u32>,
    pub(super) evaluation_maximum: Option<u32>,
    /// con: whether the notification is confirmable.
    pub(super) confirmable: Option<bool>,
    /// hqmax: how many notifications are kept while they cannot be sent.
    pub(super) stored: Option<u32>,
}

/// Why attributes cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AttributeError {
    /// Not `name=number` or `name`, an unknown name, numbers that contradict each other, or a condition on
    /// numbers for what is none.
    Unusable,
    /// Too many places have attributes already.
    Full,
}

impl Attributes {
    /// Changes what the query names; a name without a value removes the attribute. `kind` is the type of
    /// the values at the place, if it is a resource.
    pub(super) fn write<'a>(
        &mut self,
        path: Path,
        kind: Option<Kind>,
        query: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), AttributeError> {
        let mut conditions = self.own(path);
        conditions.change(query, kind)?;
        if conditions == Conditions::default() {
            self.0.remove(&path);
        } else if self.0.len() < MOST_PLACES || self.0.contains_key(&path) {
            self.0.insert(path, conditions);
        } else {
            return Err(AttributeError::Full);
        }
        Ok(())
    }

    /// What was written to exactly this place.
    pub(super) fn own(&self, path: Path) -> Conditions {
        self.0.get(&path).copied().unwrap_or_default()
    }

    /// What holds for a place: the deepest attribute on the way to it, or the server's default.
    pub(super) fn effective(&self, path: Path, default: Conditions) -> Conditions {
        // Ordered from the object down, since a path sorts before what lies in it.
        let on_the_way = self.0.iter().filter(|(place, _)| place.contains(path));
        on_the_way.fold(default, |conditions, (_, own)| own.or(conditions))
    }

    /// Forgets what was written to a place that is gone.
    pub(super) fn forget(&mut self, gone: Path) {
        self.0.retain(|place, _| !gone.contains(*place));
    }
}

impl Conditions {
    /// Changes what the query names, all or nothing.
    pub(super) fn change<'a>(
        &mut self,
        query: impl Iterator<Item = &'a [u8]>,
        kind: Option<Kind>,
    ) -> Result<(), AttributeError> {
        let mut changed = *self;
        for part in query {
            changed.change_one(part).ok_or(AttributeError::Unusable)?;
        }
        let numeric = matches!(kind, Some(Kind::Integer | Kind::Unsigned | Kind::Float | Kind::Time));
        if !changed.are_coherent() || (changed.has_thresholds() && !numeric) {
            return Err(AttributeError::Unusable);
        }
        *self = changed;
        Ok(())
    }

    fn change_one(&mut self, part: &[u8]) -> Option<()> {
        let part = core::str::from_utf8(part).ok()?;
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = Some(value).filter(|value| !value.is_empty());
        let seconds = |text: &str| text.parse::<u32>().ok();
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        match name {
            "pmin" => self.minimum = parsed(value, seconds)?,
            "pmax" => self.maximum = parsed(value, seconds)?,
            "gt" => self.above = parsed(value, number)?,
            "lt" => self.below = parsed(value, number)?,
            "st" => self.step = parsed(value, |text| number(text).filter(|step| *step > 0.0))?,
            "epmin" => self.evaluation_minimum = parsed(value, seconds)?,
            "epmax" => self.evaluation_maximum = parsed(value, seconds)?,
            "con" => {
                self.confirmable = parsed(value, |text| match text {
                    "0" => Some(false),
                    "1" => Some(true),
                    _ => None,
                })?;
            }
            "hqmax" => self.stored = parsed(value, seconds)?,
            _ => return None,
        }
        Some(())
    }

    /// Whether the numbers do not contradict each other (LwM2M Core 1.1 section 5.1.2).
    fn are_coherent(&self) -> bool {
        let in_order = |lower: Option<u32>, upper: Option<u32>| {
            lower.zip(upper).is_none_or(|(lower, upper)| lower <= upper)
        };
        let gap = self.below.zip(self.above);
        in_order(self.minimum, self.maximum)
            && in_order(self.evaluation_minimum, self.evaluation_maximum)
            && gap.is_none_or(|(below, above)| below + 2.0 * self.step.unwrap_or(0.0) < above)
    }

    pub(super) fn has_thresholds(&self) -> bool {
        self.above.is_some() || self.below.is_some() || self.step.is_some()
    }

    /// Whether a change from one number to another is worth a notification.
    pub(super) fn is_told(&self, from: f64, to: f64) -> bool {
        let crosses = |border: Option<f64>| border.is_some_and(|border| (from > border) != (to > border));
        let falls_below = self.below.is_some_and(|border| (from < border) != (to < border));
        crosses(self.above) || falls_below || self.step.is_some_and(|step| (to - from).abs() >= step)
    }

    pub(super) fn or(self, wider: Self) -> Self {
        Self {
            minimum: self.minimum.or(wider.minimum),
            maximum: self.maximum.or(wider.maximum),
            above: self.above.or(wider.above),
            below: self.below.or(wider.below),
            step: self.step.or(wider.step),
            evaluation_minimum: self.evaluation_minimum.or(wider.evaluation_minimum),
            evaluation_maximum: self.evaluation_maximum.or(wider.evaluation_maximum),
            confirmable: self.confirmable.or(wider.confirmable),
            stored: self.stored.or(wider.stored),
        }
    }

    pub(super) fn shortest(self) -> Duration {
        Duration::from_secs(self.minimum.unwrap_or(0).into())
    }

    /// A maximum of zero, or below the minimum, has no meaning (section 5.1.2).
    pub(super) fn longest(self) -> Option<Duration> {
        let maximum = self.maximum.filter(|maximum| *maximum > 0 && *maximum >= self.minimum.unwrap_or(0));
        maximum.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// How long after one evaluation the next may come.
    pub(super) fn evaluation_pause(self) -> Duration {
        Duration::from_secs(self.evaluation_minimum.unwrap_or(0).into())
    }

    /// Adds them to the link that was written last.
    pub(super) fn describe(&self, links: &mut LinkWriter) {
        let whole = [
            ("pmin", self.minimum),
            ("pmax", self.maximum),
            ("epmin", self.evaluation_minimum),
            ("epmax", self.evaluation_maximum),
            ("con", self.confirmable.map(u32::from)),
            ("hqmax", self.stored),
        ];
        for (name, value) in whole {
            if let Some(value) = value {
                links.attribute(name, value);
            }
        }
        for (name, value) in [("gt", self.above), ("lt", self.below), ("st", self.step)] {
            if let Some(value) = value {
                links.attribute(name, value);
            }
        }
    }
}

/// `None` if there is a value that cannot be read; no value removes the attribute.
fn parsed<T>(value: Option<&str>, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(attributes: &mut Attributes, path: &str, parts: &[&str]) -> Result<(), AttributeError> {
        let path: Path = path.parse().unwrap();
        let kind = path.resource_id().map(|_| Kind::Integer);
        attributes.write(path, kind, parts.iter().map(|part| part.as_bytes()))
    }

    #[test]
    fn the_deepest_attribute_wins_and_the_server_default_is_last() {
        let mut attributes = Attributes::default();
        write(&mut attributes, "/5", &["pmin=9", "pmax=90"]).unwrap();
        write(&mut attributes, "/5/0/3", &["pmin=2"]).unwrap();
        let default = Conditions { minimum: Some(1), ..Conditions::default() };
        let of = |path: &str| {
            let conditions = attributes.effective(path.parse().unwrap(), default);
            (conditions.minimum, conditions.maximum)
        };
        assert_eq!(of("/5/0/3"), (Some(2), Some(90)));
        assert_eq!(of("/5/0/5"), (Some(9), Some(90)));
        assert_eq!(of("/3/0/3"), (Some(1), None));
    }

    #[test]
    fn a_name_without_value_removes() {
        let mut attributes = Attributes::default();
        write(&mut attributes, "/3/0/7", &["pmin=9"]).unwrap();
        write(&mut attributes, "/3/0/7", &["pmin"]).unwrap();
        assert_eq!(attributes.own(Path::resource(3, 0, 7)), Conditions::default());
    }

    #[test]
    fn att_06_refuses_what_means_nothing() {
        let mut attributes = Attributes::default();
        for part in ["pmin=x", "pmin=-1", "color=1", "=5", "", "st=0", "st=-1", "gt=inf", "con=2"] {
            assert_eq!(write(&mut attributes, "/3/0/9", &[part]), Err(AttributeError::Unusable), "{part}");
        }
        for parts in
            [&["pmin=9", "pmax=8"][..], &["epmin=9", "epmax=8"], &["lt=5", "gt=5"], &["lt=1", "gt=5", "st=2"]]
        {
            assert_eq!(write(&mut attributes, "/3/0/9", parts), Err(AttributeError::Unusable), "{parts:?}");
        }
        assert_eq!(write(&mut attributes, "/3/0", &["gt=5"]), Err(AttributeError::Unusable), "no number");
        assert_eq!(write(&mut attributes, "/3/0/9", &["lt=1", "gt=5", "st=1.9"]), Ok(()));
        for number in 0..31 {
            attributes.write(Path::object(number), None, [&b"pmin=1"[..]].into_iter()).unwrap();
        }
        assert_eq!(write(&mut attributes, "/99", &["pmin=1"]), Err(AttributeError::Full));
    }

    #[test]
    fn borders_are_told_when_they_are_crossed_and_steps_when_they_are_made() {
        let conditions =
            Conditions { above: Some(50.0), below: Some(10.0), step: Some(15.0), ..Conditions::default() };
        for (from, to, told) in [
            (20.0, 30.0, false),
            (45.0, 51.0, true),
            (51.0, 49.0, true),
            (60.0, 70.0, false),
            (12.0, 9.0, true),
            (9.0, 11.0, true),
            (20.0, 35.0, true),
        ] {
            assert_eq!(conditions.is_told(from, to), told, "{from} to {to}");
        }
    }
}
