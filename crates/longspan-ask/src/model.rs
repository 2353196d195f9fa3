//! What front ends call a model.

use longspan::checkpoint::Source;

/// Whether a name is one of the Hugging Face hub, perhaps with `@REVISION`, and not a mistyped path: `ORG/NAME`, or a name
/// with a hyphen, such as `roberta-base`, since the hub's first models have no organisation.
pub fn could_be_on_hub(name: &str) -> bool {
    let parts: Vec<&str> = name.split('@').next().unwrap_or(name).split('/').collect();
    let is_plain = |part: &&str| !part.is_empty() && !part.starts_with(['.', '~']);
    parts.iter().all(is_plain) && (parts.len() == 2 || parts.len() == 1 && parts[0].contains('-'))
}

/// What the model that comes with Longspan is called: the first word of the heading of its model card, so that every embedded
/// model has its own name.
pub fn embedded_name(source: &Source) -> String {
    let card = model_card(source).unwrap_or_default();
    let heading = card.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    heading.split_whitespace().next().map_or("embedded".into(), |name| format!("{name} (embedded)"))
}

/// The content of the checkpoint's `README.md`, where it has one that can be read.
pub fn model_card(source: &Source) -> Option<String> {
    let card = source.read("README.md").ok()??;
    String::from_utf8(card.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_path_is_not_looked_for_on_the_hub() {
        for (name, could) in [
            ("org/name", true),
            ("org/name@v1.0", true),
            ("org/name@refs/pr/1", true),
            ("distilbert-base-cased-distilled-squad", true),
            ("name", false),
            ("name@pr-1", false),
            ("..-", false),
            ("./models/x", false),
            ("../x", false),
            ("~/x", false),
            ("/models/x", false),
            ("models/x/y", false),
            ("models/", false),
        ] {
            assert_eq!(could_be_on_hub(name), could, "{name}");
        }
    }
}
