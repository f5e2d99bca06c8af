"""What stands before web tells of each request: Heroku's router lines, their H codes, and counts.

Caddy writes one JSON object for each request to its standard error, whatever became of it. Here
that is asked for (`rules`, `pages`), read (`handled`), judged (`codes`) and written as the line
people know (`lines`); `translator` is all of it for a stretch of bytes, `traffic` what is counted.
"""
