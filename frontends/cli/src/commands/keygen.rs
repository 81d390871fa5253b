//! `tacit keygen`: a secret key for the client, evaluation keys for the server.

use std::fs;
use std::io;
use std::path::Path;

use tacit_lola::Deployment;

use super::{EVALUATION_KEY, SECRET_KEY};
use crate::args::KeygenArgs;
use crate::console::Console;
use crate::error::CliError;
use crate::files::{Access, Output, commit};
use crate::random;
use crate::report::units;
use crate::subject::Subject;

pub(crate) fn run(args: &KeygenArgs, console: &Console) -> Result<(), CliError> {
    let subject = Subject::load(&args.net)?;
    let deployment = {
        let _sign = console.spinner("planning");
        subject.deploy()?
    };
    let made = make_folder(&args.out)?;
    let result = write_keys(args, console, &deployment);
    if made && result.is_err() {
        // Only an empty folder goes: nothing of the user's can be in it.
        let _ = fs::remove_dir(&args.out);
    }
    result
}

fn write_keys(args: &KeygenArgs, console: &Console, deployment: &Deployment) -> Result<(), CliError> {
    let (secret_file, evaluation_file) = (args.out.join(SECRET_KEY), args.out.join(EVALUATION_KEY));
    let secret = Output::new(&secret_file, Access::Owner, args.force)?;
    // Public, but large and the client's own: who may read it is the client's to decide.
    let evaluation = Output::new(&evaluation_file, Access::Owner, args.force)?;
    let mut rng = random::generator()?;
    let client = deployment.client(&mut rng);
    let keys = {
        let _sign = console.spinner("making evaluation keys");
        client.evaluation_keys(&mut rng).map_err(CliError::run("evaluation keys"))?
    };
    commit([evaluation.stage(&keys)?, secret.stage(&client.secret_key())?])?;
    console.remark(format_args!("{}: stays with the client, never to be shared", secret_file.display()));
    let size = units::bytes(keys.len());
    console.remark(format_args!("{}: {size}, for the server, once", evaluation_file.display()));
    Ok(())
}

/// Makes the folder, for its owner alone, unless it is there. Says whether it was made.
fn make_folder(folder: &Path) -> Result<bool, CliError> {
    if folder.is_dir() {
        return Ok(false);
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map(|()| true).map_err(|error| match (error.kind(), folder.parent()) {
        (io::ErrorKind::NotFound, Some(parent)) => CliError::NoFolder { file: folder.into(), folder: parent.into() },
        _ => CliError::Write { file: folder.into(), error },
    })
}
