use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;

#[test]
fn every_entry_is_described_and_only_numbers_have_units() {
    for object in OBJECTS {
        assert!(!object.description.is_empty(), "{}", object.name);
        for resource in &*object.resources {
            let place = alloc::format!("{} {}", object.name, resource.name);
            assert!(resource.description.ends_with('.'), "{place}");
            let number = matches!(resource.kind, Kind::Integer | Kind::Unsigned | Kind::Float);
            assert!(resource.unit.is_empty() || number, "{place}");
            assert!(resource.access != Access::Execute || resource.kind == Kind::String, "{place}");
        }
    }
}

/// What the public definitions say (OMA's registry; 33629 from its author's): number, version, `*` for several
/// instances, `!` for mandatory, how many resources, and each as [`facts`] writes it. Types follow the newest
/// version; the lifetime of object 1 keeps the signed one of 1.0 and 1.1.
#[rustfmt::skip]
const DEFINITIONS: [(u16, &str, usize, &str); 15] = [
    (0, "1.2*!", 31,
        "0 - string! 0..255 bytes; 1 - boolean!; 2 - integer! 0..4; 3 - opaque!; 4 - opaque!; 5 - \
         opaque!; 6 - integer 0..255; 7 - opaque; 8 - opaque; 9 - string; 10 - integer 1..65534; 11 - \
         integer s; 12 - integer s; 13 - unsigned integer 0..3; 14 - string; 15 - unsigned integer 0..3; \
         16 - unsigned integer*; 17 - object link; 18 - unsigned integer* 0..65535; 19 - unsigned \
         integer* 0..65535; 20 - unsigned integer* 0..65535; 21 - unsigned integer* 0..65535; 22 - \
         unsigned integer 0..65535; 23 - unsigned integer 0..65535; 24 - unsigned integer 0..65535; 25 - \
         string* 0..255 bytes; 26 - object link; 27 - object link*; 28 - integer 0..15; 29 - integer \
         0..15; 30 - string"),
    (1, "1.2*!", 28,
        "0 R integer! 1..65534; 1 RW integer! 0..4294967295 s; 2 RW integer s; 3 RW integer s; 4 E; 5 RW \
         integer s; 6 RW boolean!; 7 RW string!; 8 E !; 9 E; 10 RW object link; 11 R unsigned integer \
         0..255; 12 R time; 13 R unsigned integer; 14 RW unsigned integer s; 15 R boolean; 16 R boolean; \
         17 RW unsigned integer; 18 RW unsigned integer s; 19 RW unsigned integer s; 20 RW unsigned \
         integer; 21 RW boolean; 22 RW string 0..1 bytes; 23 RW boolean; 24 RW object link*; 25 RW \
         string*; 26 RW integer 0..1; 27 RW unsigned integer 0..255"),
    (2, "1.1*", 4,
        "0 R integer! 1..65534; 1 R integer! 0..65535; 2 RW integer* 0..31; 3 RW integer! 0..65535"),
    (3, "1.2!", 23,
        "0 R string; 1 R string; 2 R string; 3 R string; 4 E !; 5 E; 6 R integer* 0..7; 7 R integer* mV; \
         8 R integer* mA; 9 R integer 0..100 /100; 10 R integer kB; 11 R integer*! 0..32; 12 E; 13 RW \
         time; 14 RW string; 15 RW string; 16 R string!; 17 R string; 18 R string; 19 R string; 20 R \
         integer 0..6; 21 R integer kB; 22 R object link*"),
    (4, "1.3", 14,
        "0 R integer! 0..50; 1 R integer*! 0..50; 2 R integer! dBm; 3 R integer; 4 R string*!; 5 R \
         string*; 6 R integer 0..100 /100; 7 R string*; 8 R integer; 9 R integer 0..999; 10 R integer \
         0..999; 11 R integer dB; 12 R integer; 13 R integer 0..4"),
    (5, "1.2", 14,
        "0 W opaque!; 1 RW string! 0..255 bytes; 2 E !; 3 R integer! 0..3; 5 R integer! 0..11; 6 R string \
         0..255 bytes; 7 R string 0..255 bytes; 8 R integer* 0..5; 9 R integer! 0..2; 10 E; 11 RW integer \
         0..2; 12 R time; 13 RW unsigned integer s; 14 RW boolean"),
    (6, "1.0", 7,
        "0 R float! lat; 1 R float! lon; 2 R float m; 3 R float m; 4 R opaque; 5 R time!; 6 R float m/s"),
    (7, "1.0", 9,
        "0 R integer; 1 R integer; 2 R integer kB; 3 R integer kB; 4 R integer B; 5 R integer B; 6 E !; 7 \
         E !; 8 RW integer s"),
    (9, "1.1*", 23,
        "0 R string! 0..255 bytes; 1 R string! 0..255 bytes; 2 W opaque; 3 W string 0..255 bytes; 4 E !; \
         5 R object link; 6 E !; 7 R integer! 0..4; 8 RW boolean; 9 R integer! 0..200; 10 E !; 11 E !; 12 \
         R boolean!; 13 RW object link; 14 W string 0..255 bytes; 15 W string 0..255 bytes; 16 R string; \
         17 R object link*; 18 R integer 0..255; 19 E !; 20 E !; 21 R unsigned integer! 0..15; 22 E"),
    (10, "1.1", 14,
        "0 RW string; 1 RW integer 0..65535 min; 2 RW string; 3 R object link; 4 RW integer s; 5 RW \
         integer s; 7 RW opaque 0..255 bytes; 8 RW opaque 0..255 bytes; 9 RW opaque 0..255 bytes; 10 RW \
         opaque 0..255 bytes; 11 R object link*!; 12 R unsigned integer 0..255; 13 RW unsigned integer \
         0..255; 14 RW unsigned integer 0..255"),
    (11, "1.1*", 34,
        "0 RW string!; 1 RW string; 2 RW boolean; 3 RW boolean; 4 RW integer! 0..3; 5 RW string; 6 RW \
         string; 7 RW string; 8 RW string*; 9 R time*; 10 R integer* 0..1; 11 R integer* 0..111; 12 R \
         time*; 13 R integer B; 14 R integer B; 15 RW string*; 16 RW string*; 17 RW string*; 18 RW \
         string*; 19 RW string*; 20 RW string*; 21 R integer 1..9; 22 R object link; 23 R integer; 24 RW \
         integer 0..3; 25 R integer; 26 RW unsigned integer; 27 RW unsigned integer 0..4; 28 R integer; \
         29 RW unsigned integer 0..4; 30 RW unsigned integer*; 31 RW string*; 32 RW integer* 0..15; 33 RW \
         integer* 0..15"),
    (16, "1.0*", 4,
        "0 RW string*!; 1 E; 2 R opaque*; 3 R integer* 0..2"),
    (19, "1.0*", 6,
        "0 RW opaque*!; 1 RW integer 0..255; 2 RW time; 3 RW string 0..32 bytes; 4 RW string 0..32 bytes; \
         5 RW integer 0..65535"),
    (21, "1.1*", 7,
        "0 - string!; 1 - string!; 2 - string!; 3 - integer; 4 - integer; 5 - string; 6 - string"),
    (33_629, "1.0*", 17,
        "0 W opaque!; 1 RW string! 0..255 bytes; 2 E !; 3 R integer! 0..3; 5 R integer! 0..13; 6 R string \
         0..255 bytes; 7 R string 0..255 bytes; 8 R integer* 0..5; 9 R integer! 0..2; 10 E; 11 RW integer \
         0..2; 12 R time; 13 RW unsigned integer s; 14 R string; 15 R string; 16 R object link*; 17 R \
         object link*"),
];

#[test]
fn the_facts_are_those_of_the_public_definitions() {
    for ((number, head, count, resources), object) in DEFINITIONS.into_iter().zip(OBJECTS) {
        let several = if object.multiple { "*" } else { "" };
        let must = if object.mandatory { "!" } else { "" };
        assert_eq!(object.id.0, number);
        assert_eq!(format!("{}{several}{must}", object.version), head, "{}", object.name);
        let found: Vec<String> = object.resources.iter().map(facts).collect();
        assert_eq!(found.len(), count, "{}", object.name);
        assert_eq!(found.join("; "), resources, "{}", object.name);
    }
}

/// `id operations type`, `*` for several values, `!` for mandatory, then range and unit.
fn facts(resource: &ResourceDefinition) -> String {
    let several = if resource.multiple { "*" } else { "" };
    let must = if resource.mandatory { "!" } else { "" };
    let kind = if resource.access == Access::Execute { String::new() } else { format!("{}", resource.kind) };
    let can = if resource.access == Access::Bootstrap { "-" } else { resource.access.letters() };
    let text = format!("{} {can} {kind}{several}{must} {} {}", resource.id.0, resource.range, resource.unit);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
