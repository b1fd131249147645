//! The real stages on a disk that forgets, and real nodes on real directories.
mod basics;
mod clock;
mod crash;
mod damage;
mod due;
mod forged;
mod full;
mod gate;
mod market;
mod own_files;
mod rig;
mod scratch;
mod threads;
mod views;
mod workload;
