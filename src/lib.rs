//! oriel in one page. Five floors; a file uses only floors below. Each foreign library is known to one module.
//! `tests/layers.rs` keeps this true.
//!
//! | floor | modules | rule |
//! |---|---|---|
//! | 0 values | `base` | no I/O, no clock |
//! | 1 judgement | `preprocess` `heads` `motion` `track` `rules` `look` `plate` `score` `ballistics` `fallbench` | pure and total: never fails, never blocks, never reads a clock |
//! | 2 doors | `media` `infer` `evidence` `ledger` `mqtt` `broker` `catalog` `console` `webhook` `system` | one foreign library each |
//! | 3 engine | `engine` | threads and queues, no foreign library |
//! | 4 wiring | `config` `service` `cmd` | may use everything |

pub mod ballistics;
pub mod base;
pub mod broker;
pub mod catalog;
pub mod cmd;
pub mod config;
pub mod console;
pub mod engine;
pub mod evidence;
pub mod facade;
pub mod fallbench;
pub mod heads;
pub mod infer;
pub mod ledger;
pub mod look;
pub mod media;
pub mod motion;
pub mod mqtt;
pub mod plate;
pub mod preprocess;
pub mod rules;
pub mod score;
pub mod service;
pub mod system;
pub mod track;
pub mod webhook;
