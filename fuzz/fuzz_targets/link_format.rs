#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::formats::link_format);
