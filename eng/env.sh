# Sourced by the root scripts: a quiet dotnet that also runs where there is no home directory to write to.
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false
export MSBUILDDISABLENODEREUSE=1
if [ -z "${HOME:-}" ] || ! mkdir -p "$HOME/.dotnet" 2>/dev/null || [ ! -w "$HOME/.dotnet" ]; then
    HOME="$(mktemp -d)"
    export HOME
    trap 'rm -rf "$HOME"' EXIT
fi
rmeeto() { dotnet run -c Release --project eng/build -- "$@"; }
