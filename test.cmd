@echo off
rem Finds the package feed, builds, and runs all tests; arguments go to dotnet test. The last line is "N passed, N failed, N skipped".
setlocal
set DOTNET_NOLOGO=1
set DOTNET_CLI_TELEMETRY_OPTOUT=1
set DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
set MSBUILDDISABLENODEREUSE=1
cd /d "%~dp0"
dotnet run -c Release --project eng/build -- test %*
exit /b %ERRORLEVEL%
