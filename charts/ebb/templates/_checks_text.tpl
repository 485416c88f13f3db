{{/* Refuses a text that ebb would refuse in every pod, or read differently from the chart: another
     encoding, several documents, and a key that occurs twice. It looks for such keys in mappings of
     block style, up to the first list or the first value of several lines. The program finds all of
     them. Argument: the configuration. */}}
{{- define "ebb.checkText" -}}
{{- if or (contains "\x00" .) (contains "\ufffd" .) -}}
{{- fail "config is not UTF-8. Its file is probably UTF-16. Save the file as UTF-8" -}}
{{- end -}}
{{- $seen := dict -}}
{{- $path := list -}}
{{- $started := false -}}
{{- $block := -1 -}}
{{- $plain := true -}}
{{- range $index, $line := splitList "\n" . -}}
{{- $bare := trim $line -}}
{{- $indent := sub (len $line) (len (trimPrefix "" (regexReplaceAll "^ *" $line ""))) | int -}}
{{- if and (ge $block 0) (or (not $bare) (gt $indent $block)) -}}
{{- /* A line of a block scalar. */ -}}
{{- else if and $started (regexMatch "^(---|\\.\\.\\.)( |$)" $bare) (eq $indent 0) -}}
{{- if or (hasPrefix "---" $bare) (regexMatch "(?m)^[^#\\s%]" (join "\n" (slice (splitList "\n" $) (add1 $index | int)))) -}}
{{- fail (printf "config has more than one YAML document. Line %d begins another. A configuration is one document" (add1 $index)) -}}
{{- end -}}
{{- else if and $bare (not (regexMatch "^(#|---|%)" $bare)) -}}
{{- $started = true -}}
{{- $block = -1 -}}
{{- $open := sub (len (regexFindAll "[\\[{]" $bare -1)) (len (regexFindAll "[\\]}]" $bare -1)) -}}
{{- $quotes := len (regexFindAll "[\"']" $bare -1) -}}
{{- if or (hasPrefix "-" $bare) (ne (int $open) 0) (ne (mod $quotes 2) 0) -}}{{- $plain = false -}}{{- end -}}
{{- if and $plain (regexMatch "^[A-Za-z0-9_.\"'-]+ *:( |$)" $bare) -}}
{{- $key := regexReplaceAll "^[\"']?([A-Za-z0-9_.-]+)[\"']? *:.*$" $bare "${1}" -}}
{{- $outer := list -}}
{{- range $path -}}{{- if lt (int .indent) $indent -}}{{- $outer = append $outer . -}}{{- end -}}{{- end -}}
{{- $path = append $outer (dict "indent" $indent "key" $key) -}}
{{- $names := list -}}
{{- range $path -}}{{- $names = append $names .key -}}{{- end -}}
{{- $whole := join "." $names -}}
{{- if hasKey $seen $whole -}}
{{- fail (printf "config contains %s twice, on the lines %d and %d. Remove one of them" $whole (int (get $seen $whole)) (add1 $index)) -}}
{{- end -}}
{{- $_ := set $seen $whole (add1 $index) -}}
{{- if regexMatch ": *[|>][-+0-9]*( +#.*)?$" $bare -}}{{- $block = $indent -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
