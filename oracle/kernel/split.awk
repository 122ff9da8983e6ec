# Takes a boot's log apart: one file per scenario, DIR/NAME.RULES.
#   awk -v dir=DIR -v rules=linux-6.12 -f split.awk LOG
# What else the kernel logs in the middle of a scenario is left out.
{
	sub(/\r$/, "")
	sub(/^(<[0-9]+>)?(\[[^]]*\] )?/, "")
}
$1 == "lastfd:" && $2 ~ /^[a-z0-9_]+$/ && $3 ~ /^[0-9][0-9]$/ {
	name = $2
	sub(/^lastfd: [^ ]+ /, "")
	sub(/ +$/, "")
	if ($2 == "BEGIN" && !(name in begun)) {
		begun[name] = dir "/" name "." rules
		printf "" > begun[name]
	}
	if (name in begun)
		print >> begun[name]
	if ($2 == "END")
		close(begun[name])
}
