#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::ddf::target);
