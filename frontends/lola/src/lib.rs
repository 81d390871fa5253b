//! Low-latency private inference, after LoLa (Brutzkus, Elisha, Gilad-Bachrach, ICML 2019).
//!
//! A client encrypts one input, a server evaluates its network on ciphertexts, the client decrypts the logits. The server
//! learns nothing about the input; it holds no secret key, and its type has no place for one.
//!
//! ```no_run
//! use tacit_lola::{Deployment, Goal, Scheme, Sequential};
//! # use rand_core::SeedableRng;
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let mut rng = chacha20::ChaCha20Rng::from_seed([1; 32]);
//! let network = tacit_model::mnist()?;
//! let deployment = Deployment::new(&network, Goal::Latency, Scheme::Bfv)?;
//!
//! // On the client.
//! let client = deployment.client(&mut rng);
//! let keys = client.evaluation_keys(&mut rng)?;
//! let pixels = tacit_model::read_picture(tacit_model::DIGITS[7])?;
//! let query = client.encrypt(&network.quantise(&pixels)?, &mut rng)?;
//!
//! // On the server.
//! let server = deployment.server()?;
//! let keys = server.read_keys(&keys)?;
//! let answer = server.evaluate(&keys, &query, &Sequential, &|_, _| {})?;
//!
//! // On the client again.
//! let logits = client.decrypt(&answer)?.release()?;
//! assert_eq!(logits.argmax(), Some(7));
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`representation`] | which value sits in which slot of which message |
//! | [`plan`] | the inference as a flat list of operations; the paper's matrix–vector methods |
//! | [`paper`] | the plan of the paper's Table 1 |
//! | [`planner`] | the search for a plan, for any network |
//! | [`lower`](mod@lower) | levels, noise, scales and parameters of a plan |
//! | [`cost`] | what a plan costs |
//! | [`evaluate`] | running a plan in the clear or encrypted |
//! | [`spec`] | what a client must know: parameters, layout, keys |
//! | [`client`], [`server`] | the two halves: bytes in, bytes out |
//! | [`deployment`] | a network with plan and parameters, which makes both |
//! | [`error`] | refusals |

pub mod client;
pub mod cost;
pub mod deployment;
pub mod error;
pub mod evaluate;
pub mod lower;
mod message;
pub mod paper;
pub mod plan;
pub mod planner;
pub mod representation;
pub mod server;
pub mod spec;

pub use client::{Client, Logits, PrivateLogits};
pub use deployment::Deployment;
pub use error::{MessageError, PlanError, RunError};
pub use evaluate::{Executor, Sequential};
pub use lower::approximate::Precision;
pub use planner::Goal;
pub use server::{ClientKeys, Server};
pub use spec::{Scheme, Spec};
