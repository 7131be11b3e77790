#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::zip_package::target);
