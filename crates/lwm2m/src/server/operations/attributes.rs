//! Attributes: when a device reports what is observed (LwM2M Core 1.1 section 5.1.2, 1.2 section 7.3).

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::server::Version;

/// An attribute that a server may write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Attribute {
    /// `pmin`: the shortest time between two notifications, in seconds.
    MinimumPeriod,
    /// `pmax`: the longest time between two notifications, in seconds; 0 is without end.
    MaximumPeriod,
    /// `gt`: report when the value crosses this number upwards or downwards.
    GreaterThan,
    /// `lt`: report when the value crosses this number downwards or upwards.
    LessThan,
    /// `st`: report when the value has changed by this much.
    Step,
    /// `epmin`: the shortest time between two looks at the value, in seconds (since 1.1).
    MinimumEvaluationPeriod,
    /// `epmax`: the longest time between two looks at the value, in seconds (since 1.1).
    MaximumEvaluationPeriod,
    /// `edge`: report when a boolean falls (0) or rises (1) (since 1.2).
    Edge,
    /// `con`: notifications are acknowledged (1) or not (0) (since 1.2).
    Confirmable,
    /// `hqmax`: how many values are kept while the device is offline (since 1.2).
    HistoryLength,
}

const ALL: [Attribute; 10] = [
    Attribute::MinimumPeriod,
    Attribute::MaximumPeriod,
    Attribute::GreaterThan,
    Attribute::LessThan,
    Attribute::Step,
    Attribute::MinimumEvaluationPeriod,
    Attribute::MaximumEvaluationPeriod,
    Attribute::Edge,
    Attribute::Confirmable,
    Attribute::HistoryLength,
];

impl Attribute {
    /// As it is written on the wire, such as `pmin`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MinimumPeriod => "pmin",
            Self::MaximumPeriod => "pmax",
            Self::GreaterThan => "gt",
            Self::LessThan => "lt",
            Self::Step => "st",
            Self::MinimumEvaluationPeriod => "epmin",
            Self::MaximumEvaluationPeriod => "epmax",
            Self::Edge => "edge",
            Self::Confirmable => "con",
            Self::HistoryLength => "hqmax",
        }
    }

    /// The attribute of this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    /// The first version of LwM2M that has it.
    pub const fn since(self) -> Version {
        match self {
            Self::MinimumEvaluationPeriod | Self::MaximumEvaluationPeriod => Version::V1_1,
            Self::Edge | Self::Confirmable | Self::HistoryLength => Version::V1_2,
            _ => Version::V1_0,
        }
    }

    /// Whether it compares numbers, so that it is for single numeric values only.
    pub const fn is_about_numbers(self) -> bool {
        matches!(self, Self::GreaterThan | Self::LessThan | Self::Step)
    }

    fn takes(self, number: f64) -> bool {
        let whole = number >= 0.0 && number <= f64::from(u32::MAX) && number % 1.0 == 0.0;
        match self {
            Self::GreaterThan | Self::LessThan => number.is_finite(),
            Self::Step => number.is_finite() && number > 0.0,
            Self::Edge | Self::Confirmable => number == 0.0 || number == 1.0,
            _ => whole,
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Attributes to set (with a number) or to take away (without one), or those that a device has told.
///
/// ```
/// use lwm2m::server::{Attribute, Attributes};
///
/// let attributes: Attributes = "pmin=10&pmax=60&gt".parse().unwrap();
/// assert_eq!(attributes.get(Attribute::MaximumPeriod), Some(60.0));
/// assert_eq!(attributes.get(Attribute::GreaterThan), None);
/// assert_eq!(attributes.to_string(), "pmin=10&pmax=60&gt");
/// ```
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Attributes {
    /// Sorted; each attribute at most once.
    entries: Vec<(Attribute, Option<f64>)>,
}

impl Attributes {
    /// None.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// With this one set; one of the same name is replaced.
    ///
    /// # Errors
    /// The number makes no sense for it.
    pub fn with(self, attribute: Attribute, number: f64) -> Result<Self, AttributeError> {
        match attribute.takes(number) {
            true => Ok(self.put(attribute, Some(number))),
            false => Err(AttributeError::Number(attribute)),
        }
    }

    /// With this one taken away from the device.
    #[must_use]
    pub fn without(self, attribute: Attribute) -> Self {
        self.put(attribute, None)
    }

    fn put(mut self, attribute: Attribute, number: Option<f64>) -> Self {
        match self.entries.binary_search_by_key(&attribute, |(known, _)| *known) {
            Ok(index) => self.entries[index].1 = number,
            Err(index) => self.entries.insert(index, (attribute, number)),
        }
        self
    }

    /// The number of an attribute that is set.
    pub fn get(&self, attribute: Attribute) -> Option<f64> {
        self.entries.iter().find(|(known, _)| *known == attribute)?.1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them: name and number, `None` where one is to be taken away.
    pub fn iter(&self) -> impl Iterator<Item = (Attribute, Option<f64>)> {
        self.entries.iter().copied()
    }

    /// The longest time between two notifications, in seconds, if there is an end to it.
    pub(crate) fn maximum_period(&self) -> Option<u32> {
        self.get(Attribute::MaximumPeriod).map(|seconds| seconds as u32).filter(|seconds| *seconds > 0)
    }

    /// What contradicts what (LwM2M Core 1.1 section 5.1.2).
    pub fn conflict(&self) -> Option<AttributeConflict> {
        use Attribute::{
            GreaterThan, LessThan, MaximumEvaluationPeriod, MaximumPeriod, MinimumEvaluationPeriod,
            MinimumPeriod, Step,
        };
        let both = |first, second| Some((self.get(first)?, self.get(second)?));
        let falls = |pair: Option<(f64, f64)>| pair.is_some_and(|(least, most)| most != 0.0 && most < least);
        if falls(both(MinimumPeriod, MaximumPeriod)) {
            return Some(AttributeConflict::Period);
        }
        if falls(both(MinimumEvaluationPeriod, MaximumEvaluationPeriod)) {
            return Some(AttributeConflict::EvaluationPeriod);
        }
        let (less, greater) = both(LessThan, GreaterThan)?;
        if less >= greater {
            return Some(AttributeConflict::Border);
        }
        let step = self.get(Step)?;
        (less + 2.0 * step >= greater).then_some(AttributeConflict::Step)
    }
}

impl fmt::Display for Attributes {
    /// As a query.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (attribute, number)) in self.entries.iter().enumerate() {
            let join = if index == 0 { "" } else { "&" };
            match number {
                Some(number) => write!(formatter, "{join}{attribute}={number}")?,
                None => write!(formatter, "{join}{attribute}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Attributes {
    type Err = AttributeError;

    /// Reads `pmin=10&pmax=60&gt`; a name without a number takes the attribute away.
    fn from_str(text: &str) -> Result<Self, AttributeError> {
        let mut attributes = Self::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, number) = match part.split_once('=') {
                Some((name, number)) => (name, Some(number)),
                None => (part, None),
            };
            let attribute = Attribute::named(name).ok_or(AttributeError::Name)?;
            attributes = match number.filter(|number| !number.is_empty()) {
                Some(number) => {
                    let number = number.parse().map_err(|_| AttributeError::Number(attribute))?;
                    attributes.with(attribute, number)?
                }
                None => attributes.without(attribute),
            };
        }
        Ok(attributes)
    }
}

/// A text does not name attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AttributeError {
    /// No attribute has this name.
    #[error("the attributes are pmin, pmax, gt, lt, st, epmin, epmax, edge, con and hqmax")]
    Name,
    /// The number makes no sense.
    #[error("{0} does not take this number")]
    Number(Attribute),
}

/// Attributes that contradict each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AttributeConflict {
    /// `pmax` is below `pmin`.
    #[error("pmax must not be below pmin")]
    Period,
    /// `epmax` is below `epmin`.
    #[error("epmax must not be below epmin")]
    EvaluationPeriod,
    /// `lt` is not below `gt`.
    #[error("lt must be below gt")]
    Border,
    /// `st` is as large as the space between `lt` and `gt`.
    #[error("lt and twice st together must be below gt")]
    Step,
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn att_06_contradictions_are_found() {
        for (text, conflict) in [
            ("pmin=10&pmax=5", Some(AttributeConflict::Period)),
            ("pmin=10&pmax=10", None),
            ("pmin=10&pmax=0", None),
            ("epmin=2&epmax=1", Some(AttributeConflict::EvaluationPeriod)),
            ("lt=5&gt=5", Some(AttributeConflict::Border)),
            ("lt=6&gt=5", Some(AttributeConflict::Border)),
            ("lt=1&gt=5&st=2", Some(AttributeConflict::Step)),
            ("lt=1&gt=5.1&st=2", None),
            ("lt&gt=5", None),
            ("st=100", None),
        ] {
            assert_eq!(text.parse::<Attributes>().unwrap().conflict(), conflict, "{text}");
        }
    }

    #[test]
    fn a_query_is_read_back() {
        for text in ["", "pmin=1", "pmax=86400&gt=-1.5&lt=-10&st=0.25", "edge=1&con=0&hqmax=7", "pmin&st"] {
            assert_eq!(text.parse::<Attributes>().unwrap().to_string(), text);
        }
        assert_eq!("pmin=1&pmin=2".parse::<Attributes>().unwrap().to_string(), "pmin=2");
    }

    #[test]
    fn numbers_without_sense_are_refused() {
        for text in ["pmin=-1", "pmin=1.5", "pmax=4294967296", "gt=nan", "st=0", "st=-1", "edge=2", "lt=inf"]
        {
            assert!(matches!(text.parse::<Attributes>(), Err(AttributeError::Number(_))), "{text}");
        }
        assert_eq!("ver=1.1".parse::<Attributes>(), Err(AttributeError::Name));
        assert_eq!("pmin =1".parse::<Attributes>(), Err(AttributeError::Name));
    }
}
