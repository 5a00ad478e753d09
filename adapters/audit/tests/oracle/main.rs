//! Logs that are written for the purpose, in which each property is seen to be kept and to be broken; and those of real servers.

mod judging;
mod reading;
mod real;
mod story;
