//! A registry in this process: enough of the distribution API to pull from and push to, with faults on demand.
//!
//! It listens on a port of 127.0.0.1, speaks plain HTTP, keeps everything in memory and ends with its value. It is written for
//! tests: what it is asked wrongly it answers wrongly.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use hako_types::Digest;
use serde_json::{Value, json};

/// Whom the registry lets in.
#[derive(Clone, Debug, Default)]
pub enum Door {
    /// Everybody.
    #[default]
    Open,
    /// Whoever sends this name and password (`joe:secret`, in base64) with each request.
    Basic(String),
    /// Whoever fetches a token with this name and password (in base64); without them tokens are for reading only.
    Token(String),
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Blobs longer than this are cut off after so many bytes of each answer.
    pub cut_after: Option<usize>,
    /// The range asked for is ignored.
    pub no_ranges: bool,
    /// Blobs are served with their last byte changed.
    pub corrupt: bool,
    /// So many requests are answered with 503 first.
    pub unavailable: usize,
    /// Uploads without a length are refused.
    pub no_streams: bool,
    /// Blobs are to be had at this origin (`http://127.0.0.1:1234`) instead.
    pub redirect: Option<String>,
}

/// A manifest's media type and bytes.
type Manifest = (String, Arc<Vec<u8>>);

#[derive(Debug, Default)]
struct Contents {
    blobs: HashMap<(String, String), Arc<Vec<u8>>>,
    manifests: HashMap<(String, String), Manifest>,
    tags: BTreeMap<(String, String), String>,
    uploads: HashMap<String, Vec<u8>>,
    /// How many uploads there were.
    begun: usize,
    log: Vec<String>,
    faults: Faults,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    door: Door,
    contents: Mutex<Contents>,
    closed: AtomicBool,
}

impl Shared {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

impl Registry {
    /// Starts a registry that is empty.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(door: Door) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            address,
            door,
            contents: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.closed.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&serving)) else { continue };
                thread::spawn(move || {
                    // A client that goes away is the client's affair.
                    let _gone = Connection { stream: BufReader::new(stream), shared }.serve();
                });
            }
        });
        Ok(Self { shared })
    }

    /// Returns the registry's name in references (`127.0.0.1:1234`).
    #[must_use]
    pub fn host(&self) -> String {
        self.shared.address.to_string()
    }

    /// Makes these things go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.contents().faults = faults;
    }

    /// Returns the requests so far: method, path with query, and `+auth` where there was an `Authorization`.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.shared.contents().log.clone()
    }

    /// Puts a blob into `repository`; returns its descriptor.
    pub fn add_blob(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        let key = (repository.to_owned(), digest.to_string());
        self.shared.contents().blobs.insert(key, Arc::new(bytes.to_owned()));
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Puts a manifest or an index into `repository` under `tag`; returns its descriptor.
    pub fn add_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let media_type = manifest["mediaType"].as_str().unwrap_or_default().to_owned();
        let digest = Digest::of(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        let mut contents = self.shared.contents();
        contents
            .manifests
            .insert((repository.to_owned(), digest.to_string()), (media_type, Arc::new(bytes)));
        contents.tags.insert((repository.to_owned(), tag.to_owned()), digest.to_string());
        descriptor
    }

    /// Puts an image into `repository` under `tag`: its layers are blobs as they are sent and the digests of their uncompressed
    /// content. Returns its manifest's descriptor.
    pub fn add_image(
        &self,
        (repository, tag): (&str, &str),
        architecture: &str,
        layers: &[(&str, &[u8], Digest)],
    ) -> Value {
        let diff_ids: Vec<&Digest> = layers.iter().map(|(_, _, diff_id)| diff_id).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.add_blob(
            repository,
            "application/vnd.oci.image.config.v1+json",
            config.to_string().as_bytes(),
        );
        let layers: Vec<Value> =
            layers.iter().map(|(kind, bytes, _)| self.add_blob(repository, kind, bytes)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
        });
        self.add_manifest(repository, tag, &manifest)
    }

    /// Returns the manifest under `tag`, if there is one.
    #[must_use]
    pub fn manifest(&self, repository: &str, tag: &str) -> Option<Value> {
        let contents = self.shared.contents();
        let digest = contents.tags.get(&(repository.to_owned(), tag.to_owned()))?;
        let (_, bytes) = contents.manifests.get(&(repository.to_owned(), digest.clone()))?;
        serde_json::from_slice(bytes).ok()
    }

    /// Returns the blob `digest` of `repository`, if it is there.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), digest.to_owned());
        self.shared.contents().blobs.get(&key).map(|bytes| bytes.to_vec())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the thread that listens, so that it sees the end.
        drop(TcpStream::connect(self.shared.address));
    }
}

struct Request {
    method: String,
    path: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

#[derive(Default)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Arc<Vec<u8>>,
    /// So many bytes of the body are sent before the connection ends.
    cut: Option<usize>,
}

impl Reply {
    fn of(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    fn error(status: u16, code: &str) -> Self {
        let body =
            json!({"errors": [{"code": code, "message": code.to_lowercase().replace('_', " ")}]});
        Self { status, body: Arc::new(body.to_string().into_bytes()), ..Self::default() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
}

impl Connection {
    fn serve(mut self) -> io::Result<()> {
        // 0x16 begins a TLS greeting, which this registry does not understand.
        while self.stream.fill_buf()?.first().is_some_and(|byte| *byte != 0x16) {
            let Some(request) = self.read()? else { return Ok(()) };
            let reply = answer(&self.shared, &request);
            let length = reply.body.len();
            let mut head = format!("HTTP/1.1 {} -\r\n", reply.status);
            for (name, value) in &reply.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            if reply.status != 204 {
                head.push_str(&format!("Content-Length: {length}\r\n"));
            }
            head.push_str("\r\n");
            let mut stream = self.stream.get_ref();
            stream.write_all(head.as_bytes())?;
            if request.method != "HEAD" {
                stream.write_all(&reply.body[..reply.cut.unwrap_or(length).min(length)])?;
            }
            if reply.cut.is_some_and(|cut| cut < length) {
                return stream.shutdown(std::net::Shutdown::Both);
            }
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<Option<Request>> {
        let line = self.line()?;
        let mut words = line.split(' ').map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let mut headers = HashMap::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let body = self.body(&headers)?;
        let auth = if headers.contains_key("authorization") { " +auth" } else { "" };
        self.shared.contents().log.push(format!("{method} {target}{auth}"));
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query =
            query.map(|(name, value)| (name.to_owned(), value.replace("%3A", ":"))).collect();
        Ok(Some(Request { method, path: path.to_owned(), query, headers, body }))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn body(&mut self, headers: &HashMap<String, String>) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            loop {
                let size = u64::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
                self.stream.by_ref().take(size).read_to_end(&mut body)?;
                self.line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        self.stream.by_ref().take(length).read_to_end(&mut body)?;
        Ok(body)
    }
}

fn answer(shared: &Shared, request: &Request) -> Reply {
    if request.path == "/token" {
        return token(shared, request);
    }
    if let Some(refusal) = refusal(shared, request) {
        return refusal;
    }
    let mut contents = shared.contents();
    if contents.faults.unavailable > 0 {
        contents.faults.unavailable -= 1;
        return Reply::error(503, "UNAVAILABLE").with("Retry-After", "0");
    }
    let Some(rest) = request.path.strip_prefix("/v2/") else {
        return Reply::error(404, "NOT_FOUND");
    };
    if rest.is_empty() {
        return Reply::of(200);
    }
    for (part, act) in [
        ("/manifests/", manifests as fn(&mut Contents, &Request, &str, &str) -> Reply),
        ("/blobs/uploads/", uploads),
        ("/blobs/", blobs),
        ("/tags/list", tags),
    ] {
        if let Some((repository, name)) = rest.split_once(part) {
            return act(&mut contents, request, repository, name);
        }
    }
    Reply::error(404, "NOT_FOUND")
}

/// Returns the answer to whoever may not come in.
fn refusal(shared: &Shared, request: &Request) -> Option<Reply> {
    let sent = request.headers.get("authorization").map_or("", String::as_str);
    let writes = !matches!(request.method.as_str(), "GET" | "HEAD");
    let challenge = match &shared.door {
        Door::Open => return None,
        Door::Basic(secret) if sent == format!("Basic {secret}") => return None,
        Door::Basic(_) => r#"Basic realm="test""#.to_owned(),
        Door::Token(_) if sent == "Bearer writer" || (!writes && sent == "Bearer reader") => {
            return None;
        }
        Door::Token(_) => {
            format!(r#"Bearer realm="http://{}/token",service="test""#, shared.address)
        }
    };
    Some(Reply::error(401, "UNAUTHORIZED").with("WWW-Authenticate", challenge))
}

fn token(shared: &Shared, request: &Request) -> Reply {
    let Door::Token(secret) = &shared.door else { return Reply::error(404, "NOT_FOUND") };
    let token = match request.headers.get("authorization") {
        None => "reader",
        Some(sent) if *sent == format!("Basic {secret}") => "writer",
        Some(_) => return Reply::error(401, "UNAUTHORIZED"),
    };
    let body = json!({"token": token, "expires_in": 300}).to_string().into_bytes();
    Reply { status: 200, body: Arc::new(body), ..Reply::default() }
}

fn manifests(contents: &mut Contents, request: &Request, repository: &str, name: &str) -> Reply {
    if request.method == "PUT" {
        let digest = Digest::of(&request.body).to_string();
        let media_type = request.headers.get("content-type").cloned().unwrap_or_default();
        let key = (repository.to_owned(), digest.clone());
        contents.manifests.insert(key, (media_type, Arc::new(request.body.clone())));
        contents.tags.insert((repository.to_owned(), name.to_owned()), digest.clone());
        return Reply::of(201).with("Docker-Content-Digest", digest);
    }
    let tag = contents.tags.get(&(repository.to_owned(), name.to_owned()));
    let digest = tag.map_or(name, String::as_str).to_owned();
    match contents.manifests.get(&(repository.to_owned(), digest.clone())) {
        Some((media_type, bytes)) => {
            Reply { status: 200, body: Arc::clone(bytes), ..Reply::default() }
                .with("Content-Type", media_type)
                .with("Docker-Content-Digest", digest)
        }
        None => Reply::error(404, "MANIFEST_UNKNOWN"),
    }
}

fn blobs(contents: &mut Contents, request: &Request, repository: &str, digest: &str) -> Reply {
    if let Some(origin) = &contents.faults.redirect {
        return Reply::of(307).with("Location", format!("{origin}{}", request.path));
    }
    let Some(bytes) = contents.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
        return Reply::error(404, "BLOB_UNKNOWN");
    };
    let mut body = Arc::clone(bytes);
    if contents.faults.corrupt {
        let mut changed = body.to_vec();
        if let Some(last) = changed.last_mut() {
            *last ^= 1;
        }
        body = Arc::new(changed);
    }
    let cut = contents.faults.cut_after;
    let range = request.headers.get("range").filter(|_| !contents.faults.no_ranges);
    let start =
        range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        Some(start) if start < body.len() => {
            let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
            let body = Arc::new(body[start..].to_vec());
            Reply { status: 206, body, cut, ..Reply::default() }.with("Content-Range", range)
        }
        Some(_) => Reply::of(416),
        None => Reply { status: 200, body, cut, ..Reply::default() },
    }
}

fn uploads(contents: &mut Contents, request: &Request, repository: &str, id: &str) -> Reply {
    let place = |id: &str| format!("/v2/{repository}/blobs/uploads/{id}?state=x");
    match request.method.as_str() {
        "POST" => {
            if let (Some(digest), Some(from)) =
                (request.query.get("mount"), request.query.get("from"))
                && let Some(bytes) = contents.blobs.get(&(from.clone(), digest.clone())).cloned()
            {
                contents.blobs.insert((repository.to_owned(), digest.clone()), bytes);
                return Reply::of(201);
            }
            contents.begun += 1;
            let id = format!("upload-{}", contents.begun);
            contents.uploads.insert(id.clone(), Vec::new());
            Reply::of(202).with("Location", place(&id))
        }
        "PATCH"
            if contents.faults.no_streams && !request.headers.contains_key("content-length") =>
        {
            Reply::error(411, "LENGTH_REQUIRED")
        }
        "PATCH" | "PUT" => {
            let Some(mut bytes) = contents.uploads.remove(id) else {
                return Reply::error(404, "BLOB_UPLOAD_UNKNOWN");
            };
            bytes.extend(&request.body);
            if request.method == "PATCH" {
                contents.uploads.insert(id.to_owned(), bytes);
                return Reply::of(202).with("Location", place(id));
            }
            let digest = request.query.get("digest").cloned().unwrap_or_default();
            if Digest::of(&bytes).as_str() != digest {
                return Reply::error(400, "DIGEST_INVALID");
            }
            contents.blobs.insert((repository.to_owned(), digest), Arc::new(bytes));
            Reply::of(201)
        }
        _ => Reply::of(204),
    }
}

fn tags(contents: &mut Contents, request: &Request, repository: &str, _: &str) -> Reply {
    let after = request.query.get("last").cloned().unwrap_or_default();
    let of_repository =
        contents.tags.keys().filter(|(r, _)| r == repository).map(|(_, tag)| tag.clone());
    let rest: Vec<String> =
        of_repository.filter(|tag| *tag > after && !tag.starts_with("sha256:")).collect();
    // Pages are short, so that clients have to turn them.
    let page = &rest[..rest.len().min(2)];
    let reply = Reply {
        status: 200,
        body: Arc::new(json!({"tags": page}).to_string().into_bytes()),
        ..Reply::default()
    };
    match page.last() {
        Some(last) if rest.len() > page.len() => reply
            .with("Link", format!(r#"</v2/{repository}/tags/list?n=2&last={last}>; rel="next""#)),
        _ => reply,
    }
}
