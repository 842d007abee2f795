//! `oriel schema`

use super::Outcome;
use crate::base::access::AccessNote;
use crate::base::event::Event;
use crate::catalog::Card;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which files the schema describes
    of: Of,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    Config,
    Events,
    /// Topics and messages, an AsyncAPI 3.0 document
    Asyncapi,
    /// The HTTP server, an OpenAPI 3.1 document
    Openapi,
    /// Messages of access control
    Access,
    /// Model cards
    Card,
    /// Marks and grid of a facade camera
    Calibration,
}

pub fn run(args: Args) -> Outcome {
    match args.of {
        Of::Events => {
            println!("{:#}", schemars::schema_for!(Event).as_value());
            Ok(())
        }
        Of::Asyncapi => {
            println!("{}", super::asyncapi::document()?);
            Ok(())
        }
        Of::Openapi => {
            println!("{}", super::openapi::document());
            Ok(())
        }
        Of::Access => {
            println!("{:#}", schemars::schema_for!(AccessNote).as_value());
            Ok(())
        }
        Of::Card => {
            println!("{:#}", schemars::schema_for!(Card).as_value());
            Ok(())
        }
        Of::Calibration => {
            println!("{}", crate::config::calibration::schema_json());
            Ok(())
        }
        Of::Config => {
            println!("{}", crate::config::schema_json());
            Ok(())
        }
    }
}
