#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::register_query::target);
