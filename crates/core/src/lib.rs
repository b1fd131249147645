//! institutions: decide, evolve, audit
