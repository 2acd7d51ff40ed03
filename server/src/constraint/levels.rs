//! How deep a schema is where its references are followed.
//!
//! What compiles schemas calls itself for every level, and goes on in what a reference leads to, which it does once
//! for each. So the levels of the schema and of all that is referred to, together, are the most that it may come
//! to, in whatever order it goes.

use std::collections::HashSet;

use serde_json::Value;

/// Most levels: a thousand definitions of a few levels each.
pub(super) const MOST: usize = 4096;

/// Memory for so many calls: several times what they take.
pub(super) const STACK_BYTES: usize = 64 << 20;

/// Refuses a schema of more levels.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(schema: &Value) -> Result<(), &'static str> {
    let mut references = HashSet::new();
    let depth = depth(schema, &mut references);
    let mut levels = depth;
    for reference in &references {
        let target = reference.strip_prefix('#');
        let target = target.and_then(|pointer| schema.pointer(pointer));
        // One that cannot be found so may be as deep as all.
        levels += target.map_or(depth, |target| self::depth(target, &mut HashSet::new()));
        if levels > MOST {
            return Err("it has too many levels where its references are followed (most are 4096)");
        }
    }
    Ok(())
}

/// Levels of a value, which JSON bounds; and the references in it.
fn depth<'v>(value: &'v Value, references: &mut HashSet<&'v str>) -> usize {
    let inner = match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().map(|value| depth(value, references)).max()
        }
        Value::Array(items) => items.iter().map(|value| depth(value, references)).max(),
        _ => None,
    };
    1 + inner.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn levels_are_counted_behind_references() {
        let chain = |count: usize| {
            let link = |number| {
                let next = json!({"$ref": format!("#/$defs/d{}", number + 1)});
                (format!("d{number}"), json!({"properties": {"a": next}}))
            };
            let mut links: Map<String, Value> = (0..count).map(link).collect();
            links.insert(format!("d{count}"), json!({"type": "string"}));
            json!({"$ref": "#/$defs/d0", "$defs": links})
        };
        assert_eq!(check(&chain(500)), Ok(()));
        assert!(check(&chain(2000)).is_err());
        assert_eq!(check(&json!({"$ref": "#"})), Ok(()));
        assert_eq!(check(&json!({"type": "object"})), Ok(()));
    }
}
