#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::block_reassembly::target);
