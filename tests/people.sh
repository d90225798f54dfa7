# For scripts that need people; source it after demo.sh. `start_people` runs the services with people as reviewers and processes the
# posts of a sample. Three people can log in with $password: ann reviews, bob releases, eve does both. It sets people to the host
# and port of the console. The processes that it starts end with the script.
# shellcheck shell=bash

# shellcheck disable=SC2034
password="correct horse battery staple"

start_people() {
    find_program
    # shellcheck disable=SC2154
    local dir=$work/people admin intake
    people=127.0.0.1:$(free_port)
    admin=127.0.0.1:$(free_port)
    intake=127.0.0.1:$(free_port)
    mkdir -p "$dir"
    cat >"$dir/lockstep.toml" <<END
[log]
dir = "$dir/log"
[admin]
listen = "$admin"
[intake]
listen = "$intake"
[detector]
checkpoint_every_s = 0
[sharing]
database = "$dir/sharing.sqlite"
listen = "$people"
reviewers = "people"
recipients = "$dir/recipients.toml"
[sharing.login]
users = "$dir/users.toml"
# The scripts ask more than people do.
[sharing.limits]
partner_per_minute = 100000
stranger_per_minute = 100000
[telemetry]
filter = "warn"
END
    cat >"$dir/recipients.toml" <<END
[[recipients]]
name = "chirp-trust-and-safety"
class = "platform"
platform = "chirp"
[[recipients]]
name = "commons-safety"
class = "platform"
platform = "commons"
[[recipients]]
name = "oh-secretary-of-state"
class = "state_local"
state = "OH"
chief_election_official = true
contact = "elections@ohio.example"
[[recipients]]
name = "protective-intelligence"
class = "secret_service"
contact = "the duty desk"
[[recipients]]
name = "everybody"
class = "public"
contact = "the press office"
tlp_ceiling = "clear"
END
    local person
    for person in "ann --role reviewer" "bob --role approver" "eve --role reviewer --role approver"; do
        # shellcheck disable=SC2086,SC2154
        "$lockstep" users add $person --config "$dir/lockstep.toml" <<<"$password" >/dev/null 2>>"$dir/users.log" ||
            { cat "$dir/users.log" >&2; return 1; }
    done
    "$lockstep" serve all --config "$dir/lockstep.toml" >"$dir/serve.log" 2>&1 &
    started+=($!)
    local pid=$! tries=0
    until curl --silent --fail --output /dev/null "http://$admin/ready"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ] || ! kill -0 "$pid"; then
            cat "$dir/serve.log" >&2
            return 1
        fi
        sleep 0.2
    done
    # A seed whose campaigns give three cases before the stream ends.
    "$lockstep" simulate --world demo --seed 2 >"$dir/posts.jsonl"
    "$lockstep" ingest "$dir/posts.jsonl" --to "http://$intake" 2>"$dir/ingest.log" || { cat "$dir/ingest.log" >&2; return 1; }
    tries=0
    until curl --silent --fail "http://$admin/metrics" | grep -Eq '^lockstep_sharing_cases\{state="nominated"\} [1-9]'; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            curl --silent "http://$admin/metrics" | grep case >&2
            cat "$dir/serve.log" >&2
            echo "no case was opened" >&2
            return 1
        fi
        sleep 0.2
    done
    # Later posts may still change a finding, so wait until all are read: a case must not change during the test.
    local lag=1
    tries=0
    until [ "$lag" = 0 ] || [ "$tries" -gt 100 ]; do
        sleep 0.5
        lag=$(curl --silent "http://$admin/metrics" | awk '/consumer_lag/ && !/^#/ { n += $NF } END { print n + 0 }')
        tries=$((tries + 1))
    done
    sleep 2
}
