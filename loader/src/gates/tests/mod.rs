//! Gates: their arithmetic, their configuration, their report, and whole builds that they judge.

mod arithmetic;
mod builds;
mod report;
mod telling;
