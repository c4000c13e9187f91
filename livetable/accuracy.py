"""``livetable calibrate``, ``predict``, ``validate`` and ``accuracy``: how far a simulation can be believed."""

from pathlib import Path

import click

from livetable.common import CHECK_OPTION, JSON_OPTION, RUNS_ARGUMENT, campaign_argument, show_json


@click.command()
@RUNS_ARGUMENT
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Where the model is written.")
@click.option("--members", type=click.IntRange(1, 100), default=8, show_default=True, help="Models of resampled runs.")
@JSON_OPTION
def calibrate(runs: tuple[Path, ...], out: Path, members: int, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Fit a model on measured runs at several loads, and on resampled ones; print its card.

    `sim run --model` and `sim plan --model` take the file, too.

    \b
    Example:
      livetable calibrate runs/small/2* -o model.json
    """
    from loadtest.accuracy import card_text, write_card  # noqa: PLC0415
    from sim import ensemble  # noqa: PLC0415
    from sim.pool import open_runs  # noqa: PLC0415

    fitted = ensemble.calibrate(open_runs(runs), members)
    ensemble.save_ensemble(fitted, out)
    click.echo(card_text(fitted))
    click.echo(f"model: {out}\ncard: {write_card(fitted, out)}")
    if as_json:
        show_json(fitted.card)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@campaign_argument("file")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Where the prediction is written.")
@click.option("--vary", help="FIELD=VALUE of the scenario: another load than the file's.")
@click.option("--replications", type=click.IntRange(2, 1000), default=24, show_default=True, help="Simulations.")
@JSON_OPTION
def predict(
    model: Path, file: Path, out: Path, vary: str | None, replications: int, as_json: bool  # noqa: FBT001 - a flag
) -> None:  # fmt: skip
    """Foretell a campaign before it runs: figures with 90 % intervals for the next run, dated and sealed by a digest.

    \b
    Example:
      livetable predict model.json accuracy --vary players_per_table=200 -o prediction.json
    """
    from loadtest.accuracy import prediction_text, varied_campaign  # noqa: PLC0415
    from loadtest.progress import Progress  # noqa: PLC0415
    from sim import prediction  # noqa: PLC0415
    from sim.ensemble import load_ensemble  # noqa: PLC0415

    made = prediction.predict(
        load_ensemble(model), varied_campaign(file, vary), replications=replications, tell=Progress().step
    )
    prediction.save_prediction(made, out)
    click.echo(prediction_text(made))
    click.echo(f"prediction: {out}, sealed {made.digest[:12]}")
    if as_json:
        show_json(made)


@click.command()
@click.argument("prediction", type=click.Path(path_type=Path))
@RUNS_ARGUMENT
@JSON_OPTION
def validate(prediction: Path, runs: tuple[Path, ...], as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Hold a prediction against the runs that followed, beside how well these agree with each other.

    \b
    Example:
      livetable validate prediction.json runs/large/2*
    """
    from loadtest.accuracy import validation_text  # noqa: PLC0415
    from sim import validation  # noqa: PLC0415
    from sim.pool import open_runs  # noqa: PLC0415
    from sim.prediction import load_prediction  # noqa: PLC0415

    sealed = load_prediction(prediction)
    found = validation.validate(sealed, open_runs(runs))
    click.echo(validation_text(sealed, found))
    if as_json:
        show_json(found)


@click.command()
@RUNS_ARGUMENT
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the report is published.")
@CHECK_OPTION
@click.option("--members", type=click.IntRange(1, 100), default=8, show_default=True, help="Models of resampled runs.")
@click.option("--replications", type=click.IntRange(2, 1000), default=24, show_default=True, help="Simulations a load.")
@JSON_OPTION
def accuracy(
    runs: tuple[Path, ...], out: Path, check: bool, members: int, replications: int,  # noqa: FBT001 - flags
    as_json: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Predict each load from all the others, and publish how far off that is.

    \b
    Example:
      livetable accuracy runs/accuracy/2* --out reports/published/accuracy
    """
    from loadtest.accuracy import REPORT, accuracy_tables  # noqa: PLC0415
    from loadtest.progress import Progress  # noqa: PLC0415
    from reports.publishing import conclude  # noqa: PLC0415
    from sim import hold_out  # noqa: PLC0415
    from sim.experiment import processes  # noqa: PLC0415
    from sim.pool import open_runs  # noqa: PLC0415

    Progress().say("predicting each load from the others")
    with processes() as pool:
        found = hold_out.accuracy(open_runs(runs), members=members, replications=replications, pool=pool)
    command = f"livetable accuracy RUN… --members {members} --replications {replications} --out {out}"
    click.echo(accuracy_tables(found))
    click.echo(conclude(REPORT, found, out, command, check=check))
    if as_json:
        show_json(found)
