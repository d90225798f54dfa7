#!/usr/bin/env bash
# Tests the JSON API against its OpenAPI description. schemathesis logs in as a user who is reviewer and approver, and sends valid
# and invalid requests. No response may have a 5xx status, and each response must match the description.
set -euo pipefail
cd "$(dirname "$0")/../.."
schemathesis=4.32.5

tools=$(realpath -m "${CARGO_TARGET_DIR:-target}/openapi")
if ! "$tools/bin/schemathesis" --version 2>/dev/null | grep -qF "$schemathesis"; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet "schemathesis==$schemathesis"
fi

# shellcheck source=tests/demo.sh
. tests/demo.sh
# shellcheck source=tests/people.sh
. tests/people.sh
start_people

jar=$work/cookies
curl --silent --show-error --fail --output /dev/null --cookie-jar "$jar" \
    --data-urlencode name=eve --data-urlencode "password=$password" "http://$people/login"
cookie=$(awk '$6 == "lockstep" { print $6 "=" $7 }' "$jar")
token=$(curl --silent --fail --cookie "$jar" "http://$people/api/person" | sed 's/.*"csrf":"\([^"]*\)".*/\1/')
if [ -z "$cookie" ] || [ -z "$token" ]; then
    echo "cannot log in" >&2
    exit 1
fi
cluster=$(curl --silent --fail --cookie "$jar" "http://$people/api/clusters" | sed 's/.*"cluster_id":"\([^"]*\)".*/\1/')

curl --silent --fail --cookie "$jar" --output "$work/openapi.json" "http://$people/api/openapi.json"

# The scripts go on in another folder.
lockstep=$(realpath "$lockstep")

# One run with a real id, because an invented id only gives "there is no such cluster", and one run with invented ids.
# schemathesis keeps no data between the runs.
cd "$work"
failed=0
for parameters in "\"path.id\" = \"$cluster\"" ""; do
    cat >"$work/schemathesis.toml" <<END
headers = { X-CSRF-Token = "$token" }
[auth.openapi.session]
api_key = "${cookie#*=}"
[parameters]
"header.X-CSRF-Token" = "$token"
$parameters
END
    "$tools/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$work/openapi.json" --url "http://$people" \
        --max-examples "${EXAMPLES:-50}" --seed 1 --generation-database none --suppress-health-check all --no-color \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection,unsupported_method || failed=1
done

# The feed of accounts, with the key of a partner.
key=$("$lockstep" partners add chirp-trust-and-safety --config "$work/people/lockstep.toml" 2>>"$work/people/users.log") ||
    { cat "$work/people/users.log" >&2; exit 1; }
cat >"$work/schemathesis.toml" <<END
headers = { Authorization = "Bearer $key" }
END
"$tools/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$work/openapi.json" --url "http://$people" \
    --include-path-regex '^/feed/' --max-examples "${EXAMPLES:-50}" --seed 1 --generation-database none --suppress-health-check all --no-color \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection,unsupported_method || failed=1
exit $failed
