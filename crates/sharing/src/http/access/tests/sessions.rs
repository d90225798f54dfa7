//! Logging in at the console, sessions, and what other sites send.

use super::*;

#[test]
fn nothing_of_the_console_is_open_without_login() {
    let s = start(|_, _| {});
    for path in ["/", "/clusters/x", "/?state=released"] {
        let reply = s.get(path, &[]);
        assert_eq!(reply.status, 303, "{path}");
        assert!(reply.header("location").starts_with("/login"), "{path}");
    }
    assert_eq!(s.get("/clusters/x?a=b", &[]).header("location"), "/login?next=%2Fclusters%2Fx%3Fa%3Db");
    for path in ["/api/clusters", "/api/clusters/x"] {
        let reply = s.get(path, &[]);
        assert_eq!((reply.status, reply.header("content-type")), (401, "application/json"), "{path}");
    }
    for cookie in ["lockstep=", "lockstep=x", "lockstep=\"", "a=b; lockstep"] {
        assert_eq!(s.get("/", &[("cookie", cookie)]).status, 303, "{cookie}");
    }
    let form = s.get("/login?next=/clusters/x", &[]);
    assert_eq!((form.status, form.header("cache-control")), (200, "no-store"));
    assert!(form.header("content-security-policy").contains("frame-ancestors 'none'"));
    for part in ["<label for=\"password\"", "autocomplete=\"current-password\"", "value=\"/clusters/x\""] {
        assert!(form.text.contains(part), "{part}");
    }
}

#[test]
fn without_users_the_console_says_how_to_add_one() {
    let s = start(|config, _| config.login.users = String::new());
    for path in ["/", "/login", "/clusters/x"] {
        let reply = s.get(path, &[]);
        assert_eq!(reply.status, 403, "{path}");
        assert!(reply.text.contains("lockstep users add") && reply.text.contains("[sharing.login]"), "{path}");
    }
    assert_eq!(s.get("/api/clusters", &[]).status, 401);
}

#[test]
fn a_session_begins_with_the_right_password_and_ends_with_logout() {
    let s = start(|_, _| {});
    let wrong = s.log_in("ann", "wrong password here");
    let nobody = s.log_in("nobody", "wrong password here");
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(wrong.text.replace("\"ann\"", ""), nobody.text.replace("\"nobody\"", ""), "who there is, is not told");
    assert!(wrong.headers.get("set-cookie").is_none());

    let right = s.log_in("ann", fixtures::PASSWORD);
    assert_eq!((right.status, right.header("location")), (303, "/"));
    let cookie = right.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(s.get("/", &[("cookie", &cookie)]).status, 200);
    assert_eq!(s.get("/api/clusters", &[("cookie", &cookie)]).status, 200);
    let stored = std::fs::read(s.folder.path().join("sharing.sqlite-wal")).unwrap();
    let id = cookie.split_once('=').unwrap().1.as_bytes();
    assert!(!stored.windows(id.len()).any(|window| window == id), "only a hash of the id is kept");

    let csrf = fixtures::csrf(&s.sharing, &cookie);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let out = s.request("POST", "/logout", &[("cookie", &cookie), form], &format!("csrf={csrf}"));
    assert_eq!(out.status, 303);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(s.get("/", &[("cookie", &cookie)]).status, 303);
    let history = s.sharing.inner.store.history("user ann").unwrap();
    let actions: Vec<&str> = history.iter().map(|sealed| sealed.entry.action.as_str()).collect();
    assert_eq!(actions, ["logged_in", "logged_out"]);
    let logins = |outcome| s.sharing.inner.metrics.logins.with_label_values(&[outcome]).get();
    assert_eq!((logins("ok"), logins("wrong")), (1, 2));
}

#[test]
fn a_login_gives_a_new_id_and_ends_the_session_that_was() {
    let s = start(|_, _| {});
    let first = fixtures::log_in(&s.base(), "ann");
    let form = format!("name=ann&password={}&next=//evil.example", fixtures::PASSWORD.replace(' ', "+"));
    let headers = [("cookie", first.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let again = s.request("POST", "/login", &headers, &form);
    assert_eq!(again.header("location"), "/", "never to another site");
    let second = again.header("set-cookie").split(';').next().unwrap();
    assert_ne!(first, second);
    assert_eq!(s.get("/", &[("cookie", &first)]).status, 303);
    assert_eq!(s.get("/", &[("cookie", second)]).status, 200);
}

#[test]
fn sessions_end_idle_and_old_and_with_their_person() {
    let s = start(|_, _| {});
    let open = |cookie: &str| s.get("/", &[("cookie", cookie)]).status == 200;
    let ago = |minutes: i64| (Timestamp::now() - SignedDuration::from_mins(minutes)).as_microsecond();
    let ann = fixtures::log_in(&s.base(), "ann");
    s.sql(&format!("update sessions set seen_at = {}", ago(29)));
    assert!(open(&ann), "29 minutes are not idle yet, and it was seen again now");
    let seen = |cookie: &str| {
        let id = cookie.split_once('=').unwrap().1;
        s.sharing.inner.store.session(&Sha256::digest(id.as_bytes())).unwrap().unwrap().seen_at
    };
    assert!(seen(&ann).as_microsecond() > ago(1));
    s.sql(&format!("update sessions set seen_at = {}", ago(31)));
    assert!(!open(&ann));
    let ann = fixtures::log_in(&s.base(), "ann");
    s.sql(&format!("update sessions set began_at = {}", ago(12 * 60 + 1)));
    assert!(!open(&ann), "however busy");
    Access::new(s.sharing.config()).maintain(&s.sharing.inner, Timestamp::now()).unwrap();
    let kept = rusqlite::Connection::open(s.folder.path().join("sharing.sqlite")).unwrap();
    assert_eq!(kept.query_row("select count(*) from sessions", [], |row| row.get::<_, i64>(0)).unwrap(), 0);

    let path = s.folder.path().join("users.toml");
    let (ann, bob) = (fixtures::log_in(&s.base(), "ann"), fixtures::log_in(&s.base(), "bob"));
    let change = |work: &dyn Fn(&mut Users)| {
        let mut users = Users::read(&path).unwrap();
        work(&mut users);
        users.write(&path).unwrap();
    };
    change(&|users| users.set_roles("bob", [Role::Reviewer].into(), [].into()).unwrap());
    assert!(open(&ann) && open(&bob), "other roles, the same session");
    change(&|users| users.set_password("ann", "another long password").unwrap());
    assert!(!open(&ann) && open(&bob));
    change(&|users| users.remove("bob").unwrap());
    assert!(!open(&bob));
    std::fs::write(&path, "users = 7").unwrap();
    assert_eq!(s.log_in("ida", fixtures::PASSWORD).status, 401, "a file that cannot be read lets nobody in");
}

#[test]
fn no_other_site_and_no_stale_form_changes_anything() {
    let s = start(|_, _| {});
    let (ann, bob) = (fixtures::log_in(&s.base(), "ann"), fixtures::log_in(&s.base(), "bob"));
    let (csrf, others) = (fixtures::csrf(&s.sharing, &ann), fixtures::csrf(&s.sharing, &bob));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let post = |headers: &[(&str, &str)], body: &str| {
        let mut all = vec![("cookie", ann.as_str()), form];
        all.extend(headers);
        s.request("POST", "/logout", &all, body).status
    };
    let good = format!("csrf={csrf}");
    assert_eq!(post(&[], ""), 403);
    assert_eq!(post(&[], "csrf="), 403);
    assert_eq!(post(&[], &format!("csrf={others}")), 403);
    assert_eq!(post(&[("origin", "https://evil.example")], &good), 403);
    assert_eq!(post(&[("origin", "null")], &good), 403);
    assert_eq!(post(&[("sec-fetch-site", "cross-site")], &good), 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site")], &good), 403);
    assert_eq!(s.get("/", &[("cookie", &ann)]).status, 200, "none of these logged ann out");
    assert_eq!(s.request("POST", "/logout", &[form], &good).status, 303, "without a session there is only login");
    let origin = s.base();
    assert_eq!(post(&[("origin", &origin), ("sec-fetch-site", "same-origin")], &good), 303);
    assert_eq!(s.get("/", &[("cookie", &ann)]).status, 303);

    let login = format!("name=ann&password={}", fixtures::PASSWORD.replace(' ', "+"));
    let foreign = s.request("POST", "/login", &[form, ("origin", "https://evil.example")], &login);
    assert_eq!(foreign.status, 403, "nor logs anybody in under another name");
}

#[test]
fn tries_to_log_in_are_bounded() {
    let s = start(|config, _| config.limits.logins_per_quarter_hour = 3);
    let statuses: Vec<u16> = (0..4).map(|_| s.log_in("ann", "wrong password here").status).collect();
    assert_eq!(statuses, [401, 401, 401, 429]);
    let refused = s.log_in("ann", fixtures::PASSWORD);
    assert_eq!(refused.status, 429, "not even with the right one");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 60);
    assert_eq!(s.log_in("bob", fixtures::PASSWORD).status, 303);
    assert_eq!(s.sharing.inner.metrics.logins.with_label_values(&["limited"]).get(), 2);
}

#[test]
fn behind_a_proxy_the_proxys_word_counts_and_cookies_are_for_tls() {
    let s = start(|config, _| {
        config.behind_proxy = true;
        config.limits.stranger_per_minute = 1;
    });
    let from =
        |forwarded: &str| s.get("/taxii2/", &[("x-forwarded-for", forwarded), ("authorization", "Bearer x")]).status;
    assert_eq!((from("198.51.100.1"), from("198.51.100.1")), (401, 429));
    assert_eq!(from("198.51.100.1, 198.51.100.2"), 401, "the last is the proxy's word");
    let cookie = s.log_in("ann", fixtures::PASSWORD);
    let cookie = cookie.header("set-cookie");
    assert!(cookie.starts_with("__Host-lockstep=") && cookie.contains("Secure"), "{cookie}");
    assert_eq!(s.get("/login", &[]).header("strict-transport-security"), "max-age=31536000");
}

#[test]
fn in_the_demo_everybody_looks_and_nobody_does_anything() {
    let s = start(|config, _| {
        config.reviewers = Reviewers::Demo;
        config.invented_recipients = true;
    });
    assert_eq!(s.get("/", &[]).status, 200);
    assert_eq!(s.get("/api/clusters", &[]).status, 200);
    assert_eq!(s.get("/", &[("host", "localhost:8080")]).status, 200);
    assert_eq!(s.get("/", &[("host", "evil.example")]).status, 303, "a name that somebody made lead here");
    let form = ("content-type", "application/x-www-form-urlencoded");
    for body in ["", "csrf="] {
        assert_eq!(s.request("POST", "/logout", &[form], body).status, 403);
    }
    let ann = fixtures::log_in(&s.base(), "ann");
    assert_eq!(s.get("/", &[("cookie", &ann)]).status, 200);
}

#[test]
fn what_is_sent_is_taken_whole_or_refused_with_the_reason() {
    let s = start(|_, _| {});
    let echo = axum::Router::new()
        .route(
            "/api/echo",
            axum::routing::post(|posted: Posted<serde_json::Value>| async move {
                format!("{}: {}", posted.person.name, posted.form)
            }),
        )
        .route("/form", axum::routing::post(|posted: Posted<Said>| async move { posted.form.text }))
        .with_state(crate::Server::new(s.sharing.clone()));
    #[derive(serde::Deserialize)]
    struct Said {
        text: String,
    }
    let address = s.runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(runtime::http::serve(echo, listener, runtime::http::Serving::default(), s.shutdown.clone()));
        address
    });
    let ann = fixtures::log_in(&s.base(), "ann");
    let csrf = fixtures::csrf(&s.sharing, &ann);
    let send = |path: &str, media: &str, token: Option<&str>, body: &str| {
        let mut request = ureq::http::Request::post(format!("http://{address}{path}"))
            .header("cookie", &ann)
            .header("content-type", media);
        if let Some(token) = token {
            request = request.header("x-csrf-token", token);
        }
        let reply = s.send(request, body);
        (reply.status, reply.text)
    };
    let json = |token, body: &str| send("/api/echo", "application/json; charset=utf-8", token, body);
    assert_eq!(json(Some(&csrf), "[1]"), (200, "ann: [1]".to_owned()));
    assert_eq!(json(None, "[1]").0, 403);
    assert_eq!(json(Some("x"), "[1]").0, 403);
    assert_eq!(json(None, &format!("{{\"csrf\": \"{csrf}\"}}")).0, 403, "JSON has its token in the header");
    assert_eq!(json(Some(&csrf), "[1").0, 400);
    let (status, why) = json(Some(&csrf), &"[".repeat(10_000));
    assert_eq!(status, 400);
    assert!(why.contains("recursion limit"), "{why}");
    assert_eq!(json(Some(&csrf), &format!("\"{}\"", "a".repeat(300 * 1024))).0, 413);

    let form = |body: &str| send("/form", "application/x-www-form-urlencoded", None, body);
    assert_eq!(form(&format!("csrf={csrf}&text=a+b")), (200, "a b".to_owned()));
    let (status, page) = form(&format!("csrf={csrf}"));
    assert_eq!(status, 400);
    assert!(page.contains("text"), "it says which field is missing: {page}");
    assert_eq!(form("text=a").0, 403);
}
