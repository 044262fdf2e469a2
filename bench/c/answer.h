/* What the handler says and the client expects, to the byte. */
#ifndef ANSWER_H
#define ANSWER_H

#define ANSWER "ok\n"

#endif
