#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::intel_hex::target);
