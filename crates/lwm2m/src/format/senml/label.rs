//! The labels of a record's fields (RFC 8428 section 12.2, LwM2M Core 1.1 section 7.4.4).

/// A field that means something here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Label {
    BaseName,
    BaseTime,
    BaseUnit,
    BaseValue,
    BaseSum,
    BaseVersion,
    Name,
    Unit,
    Value,
    Text,
    Boolean,
    Data,
    Link,
    Sum,
    Time,
    UpdateTime,
}

/// Label, name in JSON, number in CBOR. An object link is called `vlo` in both.
const TABLE: [(Label, &str, Option<i8>); Label::COUNT] = [
    (Label::BaseName, "bn", Some(-2)),
    (Label::BaseTime, "bt", Some(-3)),
    (Label::BaseUnit, "bu", Some(-4)),
    (Label::BaseValue, "bv", Some(-5)),
    (Label::BaseSum, "bs", Some(-6)),
    (Label::BaseVersion, "bver", Some(-1)),
    (Label::Name, "n", Some(0)),
    (Label::Unit, "u", Some(1)),
    (Label::Value, "v", Some(2)),
    (Label::Text, "vs", Some(3)),
    (Label::Boolean, "vb", Some(4)),
    (Label::Data, "vd", Some(8)),
    (Label::Link, "vlo", None),
    (Label::Sum, "s", Some(5)),
    (Label::Time, "t", Some(6)),
    (Label::UpdateTime, "ut", Some(7)),
];

impl Label {
    pub(super) const COUNT: usize = 16;

    pub(super) fn of_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    pub(super) fn of_number(number: i128) -> Option<Self> {
        TABLE.iter().find(|row| row.2.is_some_and(|known| i128::from(known) == number)).map(|row| row.0)
    }

    pub(super) const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    pub(super) const fn number(self) -> Option<i8> {
        TABLE[self as usize].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_is_found_by_name_and_by_number() {
        for (index, (label, name, number)) in TABLE.into_iter().enumerate() {
            assert_eq!(label as usize, index);
            assert_eq!(Label::of_name(name), Some(label));
            assert_eq!(label.name(), name);
            if let Some(number) = number {
                assert_eq!(Label::of_number(number.into()), Some(label));
            }
        }
        assert_eq!(Label::of_name("x"), None);
        assert_eq!(Label::of_number(9), None);
    }
}
