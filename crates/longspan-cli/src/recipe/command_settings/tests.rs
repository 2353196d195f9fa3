use clap::Args;
use longspan::config::Config;
use toml::Table;

use super::*;
use crate::recipe::shown;

fn parse<C: CommandSettings>(text: &str) -> Recipe<C> {
    Recipe::parse("r.toml", text).unwrap()
}

fn a_complete_recipe_gives_the_same_settings_again<C>(texts: &[&str], may_miss: &[&str])
where
    C: CommandSettings + PartialEq + std::fmt::Debug,
    C::Task: PartialEq + std::fmt::Debug,
{
    for text in texts {
        let recipe = parse::<C>(text);
        let settings = recipe.all_settings(512).unwrap();
        let complete = settings.to_toml().unwrap();
        let again = parse::<C>(&complete);
        assert!(again.all_settings(512).unwrap() == settings, "{text}");
        assert_eq!(again.all_settings(512).unwrap().to_toml().unwrap(), complete, "{text}");
        assert_eq!(recipe.difference_from(&again), None, "{text}");
        let table: Table = toml::from_str(&complete).unwrap();
        for setting in Recipe::<C>::settings().filter(|setting| !table.contains_key(setting.key)) {
            assert!(may_miss.contains(&setting.key), "{}", setting.key);
        }
    }
}

#[test]
fn complete_recipes_give_the_same_settings_again() {
    a_complete_recipe_gives_the_same_settings_again::<TrainCommand>(
        &[
            "",
            "seed = 7\nepochs = 3\nschedule = \"cosine\"\nprecision = \"f32\"\ncontext_tokens = \"8..9\"\nrecompute = true",
            "model = \"org/name\"\ntrain = [\"a b.json\"]\nschedule = \"polynomial\"\npower = 3\ndoc_stride = 0",
            "dev = [\"d\", \"e\"]\ndev_every = 10\npatience = 2\nlearning_rate = 3e-5\nschedule = \"constant\"",
        ],
        &["model", "train", "dev", "teacher", "teacher_answers", "doc_stride", "power", "train_only"],
    );
    a_complete_recipe_gives_the_same_settings_again::<PretrainCommand>(
        &[
            "",
            "text = [\"a\"]\nsteps = 7\nwhole_words = true\nmask_share = 0.3\ntrain_only = \"positions\"",
            "schedule = \"polynomial\"\npower = 1.0",
            "valid = [\"v\"]\nhead_steps = 0\ntext_field = \"body\"\ndev_every = 3\nfrozen_layers = 2",
        ],
        &["model", "text", "valid", "power", "train_only"],
    );
}

#[test]
fn an_empty_recipe_gives_the_defaults_of_the_library_and_help_lists_them() {
    let settings = parse::<TrainCommand>("").all_settings(4096).unwrap();
    let precision = settings.train.precision; // that of the machine
    assert_eq!(settings.train, TrainSettings { precision, ..TrainSettings::default() });
    assert_eq!(settings.task, QaSettings::default());
    let table: Table = toml::from_str(&settings.to_toml().unwrap()).unwrap();
    let command = TrainRecipe::augment_args(clap::Command::new("recipe"));
    for argument in command.get_arguments() {
        let (key, help) = (argument.get_id().as_str(), argument.get_help().unwrap().to_string());
        let Some(value) = table.get(key) else { continue };
        let shown = shown(value).replace('"', "");
        let default = match key {
            "skip_bad" | "recompute" => continue,
            "max_tokens" => "the model's positions, at most 4096",
            "precision" => "auto",
            _ => &shown,
        };
        assert!(help.ends_with(&format!("[default: {default}]")), "{key} {shown}: {help}");
    }
}

#[test]
fn options_override_a_recipe() {
    let recipe = "epochs = 3\nschedule = \"polynomial\"\npower = 2\ntrain = [\"a\", \"b\"]\nrecompute = true";
    let both = |options: &[&str]| {
        let command = TrainRecipe::augment_args(clap::Command::new("train"));
        let matches = command.try_get_matches_from([&["train"], options].concat()).unwrap();
        let options = clap::FromArgMatches::from_arg_matches(&matches).unwrap();
        parse::<TrainCommand>(recipe).overridden_by(&options).all_settings(512).unwrap()
    };
    let settings = both(&["--epochs", "1", "--train", "c", "--dev", "d", "e", "--dev", "f"]);
    assert_eq!((settings.train.epochs, settings.train.power), (1.0, Some(2.0)));
    assert_eq!((settings.command.train, settings.command.dev.len()), (vec!["c".into()], 3));
    let settings = both(&["--schedule", "cosine", "--recompute=false"]).train;
    assert_eq!((settings.schedule, settings.power, settings.recompute), (Schedule::Cosine, None, false));
    assert_eq!(settings.epochs, 3.0);
    assert!(both(&["--skip-bad", "--context-tokens", "7"]).command.skip_bad);
}

fn is_refused<C: CommandSettings>(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        let error = Recipe::<C>::parse("r.toml", text).err().unwrap().to_string();
        assert!(error.starts_with(&format!("`r.toml`, {message}")) && !error.contains('\n'), "{text:?}: {error}");
    }
}

#[test]
fn errors_in_a_recipe_name_the_line() {
    is_refused::<TrainCommand>(&[
        ("learningrate = 1", "line 1: unknown key `learningrate`"),
        ("\nlearning-rate = 1", "line 2: unknown key `learning-rate`, did you mean `learning_rate`?"),
        ("text_field = \"x\"", "line 1: unknown key `text_field`: this is a recipe of another command"),
        ("out = \"x\"", "line 1: unknown key `out`"),
        ("[optimizer]\nlearning_rate = 1", "line 1: unknown key `optimizer`"),
        ("seed = 1\nepochs = 0", "line 2: epochs 0: expected a number above 0"),
        ("epochs = inf", "line 1: epochs inf: expected a number above 0"),
        ("epochs = \"two\"", "line 1: epochs \"two\": expected a number above 0"),
        ("dropout = 1.0", "line 1: dropout 1: expected a number from 0 on, below 1"),
        ("warmup = 1.5", "line 1: warmup 1.5: expected a share from 0 to 1"),
        ("max_tokens = 0", "line 1: max_tokens 0: expected a whole number from 1 to"),
        ("\n\nmax_tokens = -1", "line 3: max_tokens -1: expected a whole number from 1 to"),
        ("batch_tokens = 1.5", "line 1: batch_tokens 1.5: expected a whole number from 1 to"),
        ("schedule = \"step\"", "line 1: schedule \"step\": expected `linear`, `cosine`, `constant` or `polynomial`"),
        ("precision = \"int8\"", "line 1: precision \"int8\": expected `auto`, `f32` or `bf16`"),
        ("context_tokens = \"9..8\"", "line 1: context_tokens \"9..8\": expected a range such as 512..4096"),
        (
            "context_tokens = 512",
            "line 1: context_tokens 512: expected a range such as 512..4096, or one number, as text",
        ),
        ("recompute = 1", "line 1: recompute 1: expected true or false"),
        ("train = \"a\"", "line 1: train \"a\": expected a list of files"),
        ("model = 1", "line 1: model 1: expected the name of a model"),
        ("seed = 1\nseed = 2", "line 2: duplicate key"),
        ("seed = ", "line 1: "),
    ]);
    is_refused::<PretrainCommand>(&[
        ("train = [\"a\"]", "line 1: unknown key `train`: this is a recipe of another command"),
        ("teacher = \"a\"", "line 1: unknown key `teacher`: this is a recipe of another command"),
        ("\ntext = \"a\"", "line 2: text \"a\": expected a list of files"),
        ("mask_share = 1.5", "line 1: mask_share 1.5: expected a number above 0, at most 1"),
        ("whole_words = 1", "line 1: whole_words 1: expected true or false"),
        ("train_only = \"words\"", "line 1: train_only \"words\": expected `positions`"),
        ("head_learning_rate = 0", "line 1: head_learning_rate 0: expected a number above 0"),
        ("text_field = 1", "line 1: text_field 1: expected text"),
    ]);
}

#[test]
fn settings_that_do_not_fit_each_other_are_refused() {
    let json =
        br#"{"model_type":"longformer","vocab_size":7,"hidden_size":4,"num_hidden_layers":2,"num_attention_heads":2,
        "intermediate_size":6,"max_position_embeddings":514,"type_vocab_size":1,"attention_window":4}"#;
    let config = Config::from_json(json).unwrap();
    fn message<C: CommandSettings>(text: &str, config: &Config) -> Option<String> {
        match parse::<C>(text).all_settings(config.max_tokens()) {
            Ok(settings) => settings.train.check(config).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
    for (text, expected) in [
        ("schedule = \"polynomial\"", "schedule polynomial: needs a power, such as 3"),
        ("power = 2", "power 2: only the polynomial schedule has a power"),
        ("max_tokens = 1000", "--max-tokens 1000: the model has positions for 512 tokens"),
        ("dev_every = 5", "--dev-every 5: needs --dev"),
        ("patience = 5", "--patience 5: needs --dev"),
        ("dev = [\"d\"]\npatience = 5", "--patience 5: needs --dev-every, for without it there is one evaluation"),
    ] {
        let error = message::<TrainCommand>(text, &config).unwrap();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
    for (text, expected) in [
        ("dev_every = 5", "--dev-every 5: needs --valid"),
        ("frozen_layers = 1\ntrain_only = \"positions\"", "frozen_layers 1: has no effect beside train_only"),
    ] {
        let error = message::<PretrainCommand>(text, &config).unwrap();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
    assert_eq!(message::<TrainCommand>("dev_every = 0\npatience = 0\nmax_tokens = 512", &config), None);
}

/// They name everything except the data and the model, which are elsewhere on every machine.
#[test]
fn the_recipes_of_the_repository_can_be_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let (mut train, mut pretrain) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let read = if name.starts_with("pretrain") {
            pretrain += 1;
            let valid = parse::<PretrainCommand>("valid = [\"valid.txt\"]");
            PretrainRecipe::open(&path).and_then(|recipe| recipe.overridden_by(&valid).all_settings(4096)).map(drop)
        } else if name.ends_with(".toml") {
            train += 1;
            let dev = parse::<TrainCommand>("dev = [\"dev.json\"]");
            TrainRecipe::open(&path).and_then(|recipe| recipe.overridden_by(&dev).all_settings(4096)).map(drop)
        } else {
            continue;
        };
        read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    assert!(train >= 3 && pretrain >= 2, "{train} {pretrain}");
}
