//! One template: parsed, rewritten, run over values.
//!
//! The rewriting replaces every `.A.B` by a call of our own lookup, every `.Label "x"` by a call of the method, and lets
//! every action end in our own printing.

use std::sync::Arc;

use gotmpl::parse::{
    BranchNode, CommandNode, Expr, ListNode, Node, Parser, PipeNode, Pos, SmolStr,
};
use gotmpl::{TemplateError as Error, Value};
use thiserror::Error;

use super::print;
use super::value::{field, text};

/// Why a template cannot be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum TemplateError {
    /// It is no template.
    #[error("template parsing error: {0}")]
    Parse(String),
    /// It asks for what is not there.
    #[error("template parsing error: {0}")]
    Execute(String),
}

/// A template, ready to be run.
pub(crate) struct Template {
    plain: gotmpl::Template,
    headings: gotmpl::Template,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template")
    }
}

const NAME: &str = "format";
const FIELD: &str = "__field";
const CALL: &str = "__call";
const PRINT: &str = "__print";

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn parse(source: &str) -> Result<Self, TemplateError> {
        let wrong = |error: Error| TemplateError::Parse(error.to_string());
        let parser = Parser::with_name(None, source, "{{", "}}").map_err(wrong)?;
        let (mut tree, mut defines) = parser.parse().map_err(wrong)?;
        rewrite_list(&mut tree);
        let make = |functions: fn(gotmpl::Template) -> gotmpl::Template| {
            let mut template =
                functions(gotmpl::Template::new("")).add_parse_tree(NAME, tree.clone());
            for define in &mut defines {
                let mut body = define.body.clone();
                rewrite_list(&mut body);
                template = template.add_parse_tree(&define.name, body);
            }
            template
        };
        let mut make = make;
        Ok(Self { plain: make(plain_functions), headings: make(heading_functions) })
    }

    /// Returns the text for `data`.
    ///
    /// # Errors
    /// When it asks for what is not there.
    pub(crate) fn run(&self, data: &Value) -> Result<String, TemplateError> {
        run(&self.plain, data)
    }

    /// Returns the line of headings, where `data` has the headings of the fields.
    ///
    /// # Errors
    /// When it asks for what is not there.
    pub(crate) fn headings(&self, data: &Value) -> Result<String, TemplateError> {
        run(&self.headings, data)
    }
}

fn run(template: &gotmpl::Template, data: &Value) -> Result<String, TemplateError> {
    template.execute_template_to_string(NAME, data).map_err(|error| {
        let text = error.to_string();
        TemplateError::Execute(text.strip_prefix("execution error: ").unwrap_or(&text).to_owned())
    })
}

fn rewrite_list(list: &mut ListNode) {
    for node in &mut list.nodes {
        match node {
            Node::List(inner) => rewrite_list(inner),
            Node::Action(action) => {
                rewrite_pipe(&mut action.pipe);
                if action.pipe.decl.is_empty() {
                    let pos = action.pos;
                    action
                        .pipe
                        .commands
                        .push(CommandNode { pos, args: vec![identifier(pos, PRINT)] });
                }
            }
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => rewrite_branch(branch),
            Node::Template(inner) => inner.pipe.iter_mut().for_each(rewrite_pipe),
            Node::Define(define) => rewrite_list(&mut define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }
}

fn rewrite_branch(branch: &mut BranchNode) {
    rewrite_pipe(&mut branch.pipe);
    rewrite_list(&mut branch.body);
    branch.else_body.iter_mut().for_each(rewrite_list);
}

fn rewrite_pipe(pipe: &mut PipeNode) {
    for (index, command) in pipe.commands.iter_mut().enumerate() {
        let method = (command.args.len() > 1 || index > 0)
            && matches!(
                command.args.first(),
                Some(Expr::Field(..) | Expr::Chain(..)) | Some(Expr::Variable(..))
            );
        command.args.iter_mut().for_each(rewrite_expression);
        if method {
            command.args.insert(0, identifier(command.pos, CALL));
        }
    }
}

fn rewrite_expression(expression: &mut Expr) {
    let (pos, base, fields) = match expression {
        Expr::Field(pos, fields) => (*pos, Expr::Dot(*pos), std::mem::take(fields)),
        Expr::Variable(pos, name, fields) if !fields.is_empty() => {
            let fields = std::mem::take(fields);
            (*pos, Expr::Variable(*pos, name.clone(), Vec::new()), fields)
        }
        Expr::Chain(pos, inner, fields) => {
            rewrite_expression(inner);
            let base = match &**inner {
                // A bare function inside a chain must be called, so it becomes a pipe of its own.
                Expr::Identifier(at, _) => pipe(*at, vec![(**inner).clone()]),
                other => other.clone(),
            };
            (*pos, base, std::mem::take(fields))
        }
        Expr::Pipe(_, inner) => {
            rewrite_pipe(inner);
            return;
        }
        _ => return,
    };
    let mut args = vec![identifier(pos, FIELD), base];
    args.extend(fields.iter().map(|name| Expr::String(pos, Arc::from(name.as_str()))));
    *expression = pipe(pos, args);
}

fn pipe(pos: Pos, args: Vec<Expr>) -> Expr {
    let commands = vec![CommandNode { pos, args }];
    Expr::Pipe(pos, PipeNode { pos, decl: Vec::new(), commands, is_assign: false })
}

fn identifier(pos: Pos, name: &str) -> Expr {
    Expr::Identifier(pos, SmolStr::new(name))
}

type Outcome = Result<Value, Error>;

fn fail(message: impl Into<String>) -> Error {
    Error::Exec(message.into())
}

fn common_functions(template: gotmpl::Template) -> gotmpl::Template {
    template
        .func(FIELD, |args| {
            args[1..].iter().try_fold(args[0].clone(), |value, name| {
                field(&value, name.as_str().unwrap_or_default()).map_err(fail)
            })
        })
        .func(CALL, |args| match &args[0] {
            Value::Function(method) => method(&args[1..]),
            _ => Err(fail("can't give argument to non-function")),
        })
        .func(PRINT, |args| Ok(text(&args.first().map(print::action).unwrap_or_default())))
        .func("print", |args| Ok(text(&args.iter().map(print::go).collect::<String>())))
        .func("println", |args| {
            Ok(text(&format!("{}\n", args.iter().map(print::go).collect::<Vec<_>>().join(" "))))
        })
        .func("index", index)
}

/// Looks keys and positions up one after the other; what a map of texts does not have is an empty text.
fn index(args: &[Value]) -> Outcome {
    let Some((first, keys)) = args.split_first() else {
        return Err(fail("wrong number of args for index"));
    };
    keys.iter().try_fold(first.clone(), |value, key| match &value {
        Value::Map(map) => match key.as_str() {
            Some(name) => Ok(map.get(name).cloned().unwrap_or_else(|| {
                if map.values().all(|one| matches!(one, Value::String(_))) {
                    text("")
                } else {
                    Value::Nil
                }
            })),
            None => value.index(key),
        },
        other => other.index(key),
    })
}

fn plain_functions(template: gotmpl::Template) -> gotmpl::Template {
    let word = |args: &[Value], index: usize| args.get(index).map(print::go).unwrap_or_default();
    common_functions(template)
        .func("json", |args| Ok(text(&args.first().map(print::json).unwrap_or_default())))
        .func("lower", move |args| Ok(text(&word(args, 0).to_lowercase())))
        .func("upper", move |args| Ok(text(&word(args, 0).to_uppercase())))
        .func("title", move |args| Ok(text(&title(&word(args, 0)))))
        .func("split", move |args| {
            let (whole, by) = (word(args, 0), word(args, 1));
            let parts: Vec<Value> = if by.is_empty() {
                whole.chars().map(|letter| text(&letter.to_string())).collect()
            } else {
                whole.split(by.as_str()).map(text).collect()
            };
            Ok(Value::List(Arc::from(parts)))
        })
        .func("join", move |args| match args.first() {
            Some(Value::List(all)) => {
                Ok(text(&all.iter().map(print::go).collect::<Vec<_>>().join(&word(args, 1))))
            }
            Some(Value::Nil) => Ok(text("")),
            _ => Err(fail("wrong type for value; expected []string")),
        })
        .func("pad", move |args| {
            let count = |index: usize| {
                args.get(index).and_then(Value::as_int).and_then(|n| usize::try_from(n).ok())
            };
            let spaces = |index: usize| " ".repeat(count(index).unwrap_or(0));
            let whole = word(args, 0);
            Ok(text(&if whole.is_empty() {
                whole
            } else {
                format!("{}{whole}{}", spaces(1), spaces(2))
            }))
        })
        .func("truncate", move |args| {
            let most = args
                .get(1)
                .and_then(Value::as_int)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(usize::MAX);
            Ok(text(&word(args, 0).chars().take(most).collect::<String>()))
        })
}

/// Over headings, functions change nothing.
fn heading_functions(template: gotmpl::Template) -> gotmpl::Template {
    let mut template = common_functions(template);
    for name in ["json", "lower", "upper", "title", "split", "join", "pad", "truncate"] {
        template = template.func(name, |args| Ok(args.first().cloned().unwrap_or(Value::Nil)));
    }
    template
}

fn title(whole: &str) -> String {
    let mut start = true;
    whole
        .chars()
        .flat_map(|letter| {
            let upper = start;
            start = letter.is_whitespace();
            if upper { letter.to_uppercase().collect::<Vec<_>>() } else { vec![letter] }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::value::of_struct;
    use super::*;

    fn shown(template: &str) -> String {
        let data = of_struct(&serde_json::json!({
            "Id": "0123456789abcdef",
            "State": {"Running": true, "ExitCode": 0, "OOMKilled": false},
            "Config": {"Labels": {"a": "1", "b.c": "x"}, "Env": ["A=1", "B=2"], "Entrypoint": null, "ExposedPorts": {"80/tcp": {}}},
            "HostConfig": {"Memory": 9_663_676_416_i64, "PidsLimit": null, "LogConfig": {"Type": "json-file", "Config": {}}},
            "Mounts": [{"Type": "volume", "Name": "v", "RW": true}],
            "NetworkSettings": {
                "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "99/tcp": null},
                "Networks": {"bridge": {"IPAddress": "172.17.0.2"}},
            },
        }));
        Template::parse(template)
            .and_then(|template| template.run(&data))
            .unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn the_templates_that_people_write_give_what_docker_gives() {
        for (template, want) in [
            ("{{.State.Running}} {{.State.ExitCode}}", "true 0"),
            ("{{.ID}} {{slice .Id 0 4}}", "0123456789abcdef 0123"),
            ("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "172.17.0.2"),
            ("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080"),
            ("{{.NetworkSettings.Networks.bridge.IPAddress}}", "172.17.0.2"),
            (
                "{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{len $c}} {{end}}",
                "80/tcp=1 99/tcp=0 ",
            ),
            ("{{json .Config.Labels}}", r#"{"a":"1","b.c":"x"}"#),
            ("{{json .Config.Entrypoint}} {{.Config.Entrypoint}}", "null []"),
            (
                "{{json .Config}}",
                r#"{"Labels":{"a":"1","b.c":"x"},"Env":["A=1","B=2"],"Entrypoint":null,"ExposedPorts":{"80/tcp":{}}}"#,
            ),
            (
                "{{index .Config.Labels \"b.c\"}}|{{index .Config.Labels \"none\"}}|{{.Config.Labels.none}}",
                "x||<no value>",
            ),
            ("{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}", "9663676416 <nil>"),
            (
                "{{.Mounts}} {{.NetworkSettings.Ports}}",
                "[{volume v true}] map[80/tcp:[{0.0.0.0 8080}] 99/tcp:[]]",
            ),
            ("{{.Config.ExposedPorts}} {{.Config.Env}}", "map[80/tcp:{}] [A=1 B=2]"),
            ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
            (
                "{{join .Config.Env \",\"}} {{upper \"a\"}} {{title \"a bc\"}} {{pad \"x\" 1 2}}|",
                "A=1,B=2 A A Bc  x  |",
            ),
            (
                "{{with $x := index .Mounts 0}}{{$x.Name}} {{$.Id | lower | printf \"%.3s\"}}{{end}}",
                "v 012",
            ),
            ("{{println .Id}}{{print 1 \"a\"}}", "0123456789abcdef\n1a"),
            ("{{.HostConfig.LogConfig.Config.none}}", "<no value>"),
            ("{{range .Mounts}}{{if eq .Type \"volume\"}}{{.Name}}{{end}}{{end}}", "v"),
        ] {
            assert_eq!(shown(template), want, "{template}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        assert!(shown("{{.NoSuchField}}").contains("NoSuchField"));
        assert!(shown("{{.State.Health.Status}}").contains("nil pointer evaluating field Status"));
        assert!(shown("{{.Broken").contains("template parsing error"));
        assert!(shown("{{nofunction .Id}}").contains("nofunction"));
    }
}
