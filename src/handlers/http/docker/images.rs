//! Requests about images.

use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use serde_json::{Value, json};

use super::super::super::{Context, shell};
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::archive::tarball;
use super::filter::{self, Filters};
use super::image::{self, Image};
use super::refusal::Refusal;
use super::stream::Lines;
use super::{Docker, config, error, recipe, refused, tar, value};

/// Characters that are kept of what is said of an image.
const MAX_SAID: usize = 256;
/// Images that one archive brings, and entries of all layers of one: a layer may be named again and again.
const MAX_LOADED: usize = 8;
const MAX_UNPACKED: usize = 4_096;

impl Docker {
    pub(super) fn images(&self, cx: &mut Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        // Names have slashes of their own.
        let named = |name: &[&str]| name.join("/");
        let found = |name: &str, work: &dyn Fn(&Image) -> Value| self.with(cx, |machine| machine.image(name).map(work));
        Some(match (method, rest) {
            ("GET", ["json"]) => self.listed(cx, ask).unwrap_or_else(refused),
            ("POST", ["create"]) if ask.field("fromSrc").is_some_and(|source| !source.is_empty()) => {
                self.import(cx, ask)
            }
            ("POST", ["create"]) => self.pull(cx, ask),
            ("GET", ["search"]) => search(ask),
            ("POST", ["load"]) => self.load(cx, ask),
            ("POST", ["prune"]) => Filters::of(ask, &[])
                .map_or_else(refused, |_| value(200, &json!({"ImagesDeleted": null, "SpaceReclaimed": 0}))),
            ("GET", ["get"]) => self.saved(cx, &ask.field("names").unwrap_or_default()),
            ("GET", [name @ .., "get"]) => self.saved(cx, &named(name)),
            ("GET", [name @ .., "json"]) => {
                let name = named(name);
                let why = |message: &str| format!("no such image: {name}: {message}");
                match (image::check(&name), found(&name, &Image::inspected)) {
                    (_, Some(shown)) => value(200, &shown),
                    (Err(message), None) => error(400, &why(message)),
                    (Ok(()), None) => error(404, &why(&missing(&name))),
                }
            }
            ("GET", [name @ .., "history"]) => {
                let name = named(name);
                found(&name, &Image::history).map_or_else(|| no_such_image(&name), |shown| value(200, &shown))
            }
            ("POST", [name @ .., "push"]) => self.push(cx, ask, &named(name)),
            ("POST", [name @ .., "tag"]) => {
                let of = named(name);
                let (repository, tag) = (ask.field("repo").unwrap_or_default(), ask.field("tag").unwrap_or_default());
                if self.with(cx, |machine| machine.image(&of).is_none()) {
                    return Some(no_such_image(&of));
                }
                if let Err(message) = image::check(&repository) {
                    return Some(error(500, message));
                }
                if !tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
                    return Some(error(500, "invalid tag format"));
                }
                let (name, tag) = image::reference(&repository, Some(&tag));
                self.with(cx, |machine| machine.tag_image(&of, &name, &tag));
                Answer::empty(201)
            }
            ("DELETE", name) if !name.is_empty() => self.remove(cx, ask, &named(name)),
            _ => return None,
        })
    }

    fn listed(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Result<Answer, Refusal> {
        let filters = Filters::of(ask, filter::IMAGES)?;
        let list: Vec<Value> = self.with(cx, |machine| {
            let wanted = machine.images.iter().filter(|one| {
                filters.holds("dangling", |value| matches!(value, "false" | "0"))
                    && filters.holds("reference", |wanted| {
                        let pattern = wanted.trim_end_matches('*').trim_end_matches(':');
                        one.name == pattern
                            || one.tag() == pattern
                            || wanted.ends_with('*') && one.tag().starts_with(pattern)
                    })
            });
            wanted.map(Image::listed).collect()
        });
        Ok(value(200, &list.into()))
    }

    fn pull(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        let wanted = ask.field("fromImage").unwrap_or_default();
        if wanted.is_empty() {
            // The engine takes it for an import of nothing.
            return error(500, "Get \"http:\": http: no Host in request URL");
        }
        let platform = ask.field("platform").unwrap_or_default();
        if platform.split('/').count() > 3 {
            return error(400, &format!("{platform:?}: cannot parse platform specifier: invalid argument"));
        }
        if let Err(message) = image::check(&wanted) {
            return error(400, message).decoded("image", wanted);
        }
        let (name, tag) = image::reference(&wanted, ask.field("tag").as_deref());
        let reference = format!("{name}:{tag}");
        let answer = if image::exists(&name) {
            let image = Image::pulled(&name, &tag, cx.now());
            let known = self.with(cx, |machine| machine.image(&reference).is_some());
            let lines = Lines::pull(&image, known);
            self.with(cx, |machine| {
                machine.add_image(image);
                machine.happened_to_thing(cx.now(), "image", "pull", (&reference, &name));
            });
            lines.answer()
        } else {
            error(
                404,
                &format!(
                    "pull access denied for {name}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
                ),
            )
        };
        with_credentials(answer, ask).decoded("image", reference)
    }

    fn push(&self, cx: &Context<'_>, ask: &Ask<'_>, name: &str) -> Answer {
        if ask.head.values("x-registry-auth").next().is_none() && ask.body.is_empty() {
            return error(400, "Bad parameters and missing X-Registry-Auth: EOF");
        }
        let (name, tag) = image::reference(name, ask.field("tag").as_deref());
        let reference = format!("{name}:{tag}");
        let Some(image) = self.with(cx, |machine| machine.image(&reference).cloned()) else {
            return with_credentials(error(404, &format!("An image does not exist locally with the tag: {name}")), ask);
        };
        let pushed = format!("The push refers to repository [{}]", image::full(&name));
        let mut lines = vec![(json!({"status": pushed}), 300)];
        lines.extend(
            image.layers.iter().map(|layer| (json!({"status": "Preparing", "progressDetail": {}, "id": layer}), 40)),
        );
        let denied = "denied: requested access to the resource is denied";
        lines.push((json!({"errorDetail": {"message": denied}, "error": denied}), 0));
        with_credentials(Lines::new(lines).answer(), ask).decoded("image", reference)
    }

    fn remove(&self, cx: &Context<'_>, ask: &Ask<'_>, name: &str) -> Answer {
        if let Err(message) = image::check(name) {
            return error(400, message);
        }
        let Some(image) = self.with(cx, |machine| machine.image(name).cloned()) else { return no_such_image(name) };
        let now = cx.now();
        let (user, running, others) = self.with(cx, |machine| {
            let user = machine.containers.iter().find(|one| one.image_id == image.id);
            let user = user.map(|one| (one.id.clone(), one.is_running(now)));
            let others = machine.images.iter().filter(|other| other.id == image.id).count() > 1;
            (user.as_ref().map(|(id, _)| id.clone()), user.is_some_and(|(_, running)| running), others)
        });
        if let Some(user) = user.filter(|_| !others && (running || !ask.is_set("force"))) {
            let (state, mend) = if running { ("running", "") } else { ("stopped", "must be forced") };
            let short = user.get(..12).unwrap_or_default();
            let id = image.id.trim_start_matches("sha256:").get(..12).unwrap_or_default();
            let message = if running {
                format!(
                    "conflict: unable to remove repository reference {name:?} (must force) - container {short} is using its referenced image {id}"
                )
            } else {
                format!("conflict: unable to delete {id} ({mend}) - image is being used by {state} container {short}")
            };
            return error(409, &message);
        }
        self.with(cx, |machine| {
            machine.remove_image(name);
            machine.happened_to_thing(now, "image", "untag", (&image.id, &image.id));
            if !others {
                machine.happened_to_thing(now, "image", "delete", (&image.id, &image.id));
            }
        });
        let mut gone = vec![json!({"Untagged": image.tag()})];
        if !others {
            gone.extend(image.digests().into_iter().flatten().map(|digest| json!({"Untagged": digest})));
            gone.push(json!({"Deleted": image.id}));
        }
        value(200, &gone.into())
    }

    /// `docker save`.
    fn saved(&self, cx: &Context<'_>, name: &str) -> Answer {
        if name.is_empty() {
            return tarball(tar::finish(Vec::new()));
        }
        let Some(image) = self.with(cx, |machine| machine.image(name).cloned()) else {
            return error(404, &format!("No such image: {name}"));
        };
        let now = cx.now();
        let files = image.files.clone().unwrap_or_else(|| self.template(cx));
        let layer = self.packed(&files, "/", now);
        let id = image.id.trim_start_matches("sha256:");
        let folder = image.layers.first().map_or_else(String::new, |layer| super::machine::id(0, 1, layer));
        let config = format!("{id}.json");
        let manifest =
            json!([{"Config": config, "RepoTags": [image.tag()], "Layers": [format!("{folder}/layer.tar")]}]);
        let mut archive = Vec::new();
        let mut add = |name: &str, bytes: Option<&[u8]>| tar::push(&mut archive, name, 0o644, now, bytes);
        add(&config, Some(image.saved().to_string().as_bytes()));
        add(&folder, None);
        add(&format!("{folder}/VERSION"), Some(b"1.0"));
        add(&format!("{folder}/json"), Some(json!({"id": folder, "os": "linux"}).to_string().as_bytes()));
        add(&format!("{folder}/layer.tar"), Some(&layer));
        add("manifest.json", Some(format!("{manifest}\n").as_bytes()));
        let (repository, tag) = (image.name.clone(), image.tag().rsplit(':').next().unwrap_or_default().to_owned());
        let repositories = json!({repository: {tag: folder}});
        add("repositories", Some(format!("{repositories}\n").as_bytes()));
        tarball(tar::finish(archive))
    }

    /// An image's files to be.
    fn template(&self, cx: &Context<'_>) -> shell::Container {
        self.with(cx, |machine| shell::Container::new("", "", false, &machine.ground))
    }

    /// The files of an image of these archives, one over the other.
    fn unpacked(&self, cx: &Context<'_>, layers: &[&[u8]]) -> shell::Container {
        let files = self.template(cx);
        files.files(&self.device, cx.now(), |files| {
            for entry in contents(layers) {
                let to = files.absolute(b"/", entry.name.as_bytes());
                let is_known = !entry.is_directory && files.read(&to).is_some_and(|known| *known == *entry.bytes);
                // What there is no room for is not there.
                let _ = match entry.is_directory {
                    true => files.make(&to),
                    false if is_known => Ok(()),
                    false => files.store(&to, entry.bytes, entry.mode),
                };
            }
        });
        files
    }

    /// `docker load`: the archive was stored as a sample.
    fn load(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        let entries = tar::entries(ask.body);
        let named = |name: &str| entries.iter().find(|entry| entry.name == name).map(|entry| entry.bytes);
        let read = |name: &str| serde_json::from_slice::<Value>(named(name).unwrap_or_default()).unwrap_or_default();
        let manifest = read("manifest.json");
        let mut tags = Vec::new();
        for shown in manifest.as_array().into_iter().flatten().take(MAX_LOADED) {
            let Some(tag) = shown.pointer("/RepoTags/0").and_then(Value::as_str) else { continue };
            let (name, version) = image::reference(tag, None);
            let layers: Vec<&[u8]> = config::texts(shown, "/Layers").iter().filter_map(|layer| named(layer)).collect();
            let own = read(shown.get("Config").and_then(Value::as_str).unwrap_or_default());
            let own = own.get("config").or_else(|| own.get("Config")).cloned().unwrap_or_default();
            let files = self.unpacked(cx, &layers);
            let image = Image::pulled(&name, &version, cx.now()).with_files(files).configured(own);
            self.with(cx, |machine| machine.add_image(image));
            tags.push(format!("{name}:{version}"));
        }
        if tags.is_empty() {
            let number = cx.session().seed % 4_000_000_000;
            let why =
                format!("open /var/lib/docker/tmp/docker-import-{number}/repositories: no such file or directory");
            return Lines::new(vec![(json!({"errorDetail": {"message": why}, "error": why}), 0)]).answer();
        }
        let line = |tag: &String| (json!({"stream": format!("Loaded image: {tag}\n")}), 200);
        Lines::new(tags.iter().map(line).collect()).answer().decoded("images", tags)
    }

    /// `docker import`: the archive was stored as a sample, or is named.
    fn import(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let source = ask.field("fromSrc").unwrap_or_default();
        if source != "-" {
            cx.download(&source, "docker import");
        }
        let repository = ask.field("repo").unwrap_or_default();
        if let Err(message) =
            image::check(&repository).or_else(|why| if repository.is_empty() { Ok(()) } else { Err(why) })
        {
            return error(400, message).decoded("source", source);
        }
        let (name, tag) = image::reference(&repository, ask.field("tag").as_deref());
        let files = self.unpacked(cx, &[ask.body]);
        let mut image = Image::pulled(&name, &tag, cx.now()).derived(cx.session().seed, cx.now()).with_files(files);
        image.said.0 = format!("Imported from {source}").chars().take(MAX_SAID).collect();
        let image = match recipe::changed(image, ask) {
            Ok(image) => image,
            Err(refusal) => return refused(refusal),
        };
        let id = image.id.clone();
        self.with(cx, |machine| machine.add_image(image));
        Lines::new(vec![(json!({"status": id}), 0)]).answer().decoded("source", source)
    }

    /// `docker commit`.
    pub(super) fn commit(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        let of = ask.field("container").unwrap_or_default();
        if of.is_empty() {
            return error(400, "invalid name or ID supplied: \"\"");
        }
        let Some((base, inside, mut own)) = self.with(cx, |machine| {
            machine.container(&of).map(|one| (one.image.clone(), one.inside.clone(), one.config.clone()))
        }) else {
            return error(404, &format!("No such container: {of}"));
        };
        if let Some(own) = own.as_object_mut() {
            own.retain(|name, _| !matches!(name.as_str(), "HostConfig" | "NetworkingConfig" | "Image" | "Hostname"));
        }
        let repository = ask.field("repo").unwrap_or_default();
        if !repository.is_empty()
            && let Err(why) = image::check(&repository)
        {
            return error(500, why);
        }
        let (name, tag) = image::reference(&repository, ask.field("tag").as_deref());
        let now = cx.now();
        let seed = cx.session().seed ^ now.as_micros();
        let (base_name, base_tag) = image::reference(&base, None);
        let base = self.with(cx, |machine| machine.image(&base).cloned());
        let base = base.unwrap_or_else(|| Image::pulled(&base_name, &base_tag, now));
        let files = self.template(cx);
        files.copy_files(&self.device, &inside);
        let image = base.derived(seed, now).tagged(if name.is_empty() { "<none>" } else { &name }, &tag);
        let said = |name| ask.field(name).unwrap_or_default().chars().take(MAX_SAID).collect::<String>();
        let mut image = image.with_files(files).configured(own);
        image.said = (said("comment"), said("author"));
        let image = match recipe::changed(image, ask) {
            Ok(image) => image,
            Err(refusal) => return refused(refusal),
        };
        let id = image.id.clone();
        self.with(cx, |machine| machine.add_image(image));
        value(201, &json!({"Id": id}))
    }
}

/// What is in these archives, as far as it is looked at.
fn contents<'a>(layers: &[&'a [u8]]) -> impl Iterator<Item = tar::Entry<'a>> {
    layers.iter().flat_map(|layer| tar::entries(layer)).take(MAX_UNPACKED)
}

/// What the engine says of an image that is not there; a digest has no tag.
fn missing(name: &str) -> String {
    let is_tagged = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    format!("No such image: {name}{}", if is_tagged { "" } else { ":latest" })
}

fn no_such_image(name: &str) -> Answer {
    error(404, &missing(name))
}

/// What a registry's search finds: the image of this name, if there is one.
fn search(ask: &Ask<'_>) -> Answer {
    let limit: i64 = ask.field("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25);
    if !(1..=100).contains(&limit) {
        return error(400, &format!("Limit {limit} is outside the range of [1, 100]"));
    }
    let term = ask.field("term").unwrap_or_default();
    let found = image::exists(&term) && !term.contains('/');
    let shown = json!({"star_count": 10_482, "is_official": true, "name": term, "is_automated": false, "description": format!("Official build of {term}.")});
    value(200, &if found { json!([shown]) } else { json!([]) })
}

/// The credentials for a registry that come with a request (Engine API, authentication).
fn with_credentials(answer: Answer, ask: &Ask<'_>) -> Answer {
    let Some(sent) = ask.head.values("x-registry-auth").next() else { return answer };
    let sent = sent.trim_end_matches('=').as_bytes();
    let decoded = BASE64URL_NOPAD.decode(sent).or_else(|_| BASE64URL.decode(sent)).unwrap_or_default();
    match serde_json::from_slice::<Value>(&decoded) {
        Ok(Value::Object(fields)) if !fields.is_empty() => answer.decoded("registry", fields),
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_is_named_again_and_again_is_not_unpacked_without_end() {
        let layer = super::super::archive_of("x", b"y");
        assert_eq!(contents(&[&layer, &layer]).count(), 2);
        assert_eq!(contents(&vec![&layer[..]; 10_000]).count(), MAX_UNPACKED);
    }
}
