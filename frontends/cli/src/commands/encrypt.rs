//! `tacit encrypt`: a picture becomes a query.

use super::{client, picture, sample, spare_secret_key};
use crate::args::EncryptArgs;
use crate::console::Console;
use crate::error::CliError;
use crate::examples::Examples;
use crate::files::{Access, Output};
use crate::random;
use crate::report::units;
use crate::subject::Subject;

pub(crate) fn run(args: &EncryptArgs, console: &Console) -> Result<(), CliError> {
    let output = Output::new(&args.out, Access::Public, true)?;
    let subject = Subject::load(&args.net)?;
    let input = input(args, &subject)?;
    let deployment = {
        let _sign = console.spinner("planning");
        subject.deploy()?
    };
    spare_secret_key(&output)?;
    let client = client(deployment.spec(), &args.keys)?;
    let query = client.encrypt(&input, &mut random::generator()?).map_err(CliError::run("encryption"))?;
    output.write(&query)?;
    console.remark(format_args!("query of {} for network `{}`", units::bytes(query.len()), subject.name));
    Ok(())
}

fn input(args: &EncryptArgs, subject: &Subject) -> Result<Vec<i64>, CliError> {
    let (source, network) = (&args.picture, &subject.network);
    if let Some(file) = &source.image {
        return subject.quantise(&picture(file)?);
    }
    if let (Some(folder), Some(index)) = (&args.images, args.index) {
        let examples = Examples::open(folder, args.split, None, network)?;
        let (split, available) = (args.split.name(), examples.len());
        let missing = || CliError::NoImage { folder: folder.clone(), split, index, available };
        return examples.input(network, index)?.ok_or_else(missing);
    }
    subject.quantise(&sample(source.digit.unwrap_or_default())?)
}
