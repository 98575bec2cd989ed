"""How a reply to a question reads by the rules alone: left open, the question denied, or answered.

Every function reads at most :data:`.text.MAX_CHARS` of a reply. The word lists are English;
plain words of not knowing and of denial are read in thirteen other languages too.
"""

from __future__ import annotations

import re
from typing import Literal

from .abroad import DENIED_ABROAD, UNKNOWN_ABROAD
from .questions import (
    YES_OR_NO,
    denies_asked,
    doubts_aside,
    doubts_else,
    negation_answers,
    other_fact,
    takes_neither,
    without_bare_no,
)
from .refusal import declines
from .text import folded

Reading = Literal["abstained", "corrected the question", "answered"]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(patterns) + r")\b")


# All are written for plain text: lower case, one space, "do not" for "don't" (see _plain).
_ABSTAINS = _any(
    r"i (?:\w+ )?(?:do not|dont|cannot|can not|cant|could not) (?:\w+ ){0,2}?(?:know|find|recall|remember|recogni[sz]e|see"
    r"|tell|say|provide|answer|determine|confirm|identify|verify|locate|predict|foresee|forecast|be (?:sure"
    r"|certain))\b(?! (?:that|how much) i)",
    r"i (?:do not|dont) have (?:\w+ )?(?:access|enough|any|information|knowledge|that|data|details|opinions?|capability|ability)",
    r"(?:i am|im|i was) (?:\w+ )?(?:not (?:sure|certain|aware|familiar)|unsure|uncertain|unaware|unfamiliar)"
    r"(?! what you are asking,? but)",
    r"(?:i am|im|i was) (?:\w+ )?(?:not able|unable|not (?:equipped|designed|capable|programmed)) (?:to|of)",
    r"i (?:have )?forg[eo]t(?:ten)?|i have (?:no (?:idea|information|knowledge|record|data)|never (?:heard|come across)"
    r"|not (?:heard|come across))",
    r"(?<!who )(?<!which )(?<!that )(?:is|are|was|were|been|be|it|answer|information) (?:not|never) (?:\w+ )?(?:known"
    r"|recorded|documented|disclosed|clear"
    r"|specified|mentioned|stated|given|provided|determined|certain|revealed|available|answerable|in the (?:passage|text))"
    r"(?! (?:to be|for|as)\b)",
    r"not (?:mentioned|stated|given|specified|provided|known|enough|sufficient)(?! (?:to be|for|as)\b)",
    r"insufficient (?:information|context|details?)|unanswerable|undetermined|indeterminate|unknowable",
    r"(?:is|are|was|were|be|been|remains?|stays?|still|largely|currently) (?:\w+ly |still |as yet |yet )?(?:unknown"
    r"|unclear|uncertain)(?! to (?:many|most|some))",
    r"(?:is|are|was|were|been|be) (?:\w+ )?lost (?:to|in) (?:\w+ )?(?:history|time)",
    r"(?:your|anyone's|anybody's|my) guess(?: is as good as|\b)|beats me|who knows|who can (?:say|tell)|search me",
    r"(?:remains|yet) to be (?:seen|found|determined)|too (?:early|soon) to (?:say|tell|know)|only time (?:will|can) tell",
    r"(?:will|would|do|can|could) not (?:want to )?(?:speculate|guess)|(?:need|require|give me|tell me"
    r"|provide) (?:\w+ )?more (?:information"
    r"|context|details?)",
    r"(?:you have|you) not (?:told|said|given|mentioned|named|shared)|(?:history|nobody|no one|science) (?:does|did|has"
    r"|have|is) (?:not )?"
    r"(?:not tell|not record|not say|never|not know|yet)",
    r"(?:have|has) not (?:come down|survived|been (?:found|recorded|kept|preserved|discovered|established|identified"
    r"|released|named))",
    r"(?:cannot|can not|could not) be (?:known|determined|answered|said|predicted|inferred|verified|found|established)",
    r"(?<!if )(?:no one|nobody|no-one) (?:\w+ )?(?:knows?|say|tell|predict|foresee|forecast)(?! better| how to| more)",
    r"no comment|no idea|dra(?:w|wing|wn) a blank"
    r"|how (?:would|should|could|can) (?:i|anyone|anybody) (?:possibly )?(?:know|tell)|if i knew"
    r"|crystal ball|guesswork|too many (?:variables|factors|unknowns|possibilities)|not sure(?=[,.!;]|\Z)",
    r"(?:sources?|accounts?|writers?|records?|history|historians|texts?|books?) (?:\w+ )?(?:is|are|was|were|remains?"
    r"|stays?) (?:\w+ )?silent"
    r"|(?:experts|historians|scholars|scientists|researchers|sources|accounts|opinions) (?:\w+ )?(?:disagree|differ|are divided)"
    r"|too uncertain to"
    r"|no (?:single|exact|definite|fixed|precise) (?:\w+ )?(?:answer|figure|number|rule|date|price|time) (?:can|could|is)"
    r"|silent on (?:the|this|that)|(?:that|it|this) is (?:\w+ )?(?:something|for|a thing) (?:that )?only you"
    r"|only you (?:can|could|know|would)|i would (?:be|only be|just be) (?:inventing|guessing|making)",
    r"i would (?:need|have) to (?:look (?:this|that|it) up|check|search)|(?<![\w,] )could not tell you"
    r"|i not (?:have|know|sure|find|aware)|i (?:have |have got |got )(?:nothing|no \w+|little) (?:on|about|regarding) (?:that"
    r"|this"
    r"|it|him|her|them)|(?:name|title|term|word|place|person|topic|that|this|it|he|she) is (?:\w+ )?(?:new|unfamiliar) to me",
    r"(?:we|i|they|historians|scholars) (?:have|has|possess|lack) (?:no |any )?(?:\w+ )?(?:sources?|accounts?|way of knowing)",
    r"(?:no one|nobody) has (?:ever |yet )?(?:found|known|seen|recorded|counted|measured|discovered|worked|written)",
    r"you(?: would|'d| will|'ll| should) (?:have to|need to|better) ask",
    r"please (?:provide|share|paste|send|specify|clarify|tell me) (?:me )?(?:with )?(?:(?:the|your|that) (?:\w+ )?(?:text|passage"
    r"|document|name|context|sentence|article|file|link)|more (?:details?|information|context)|which|what)\b",
    r"(?<!with )no (?:\w+ )?(?:information|data|records?|evidence|mention|answer|details|consensus|way to (?:know|tell))",
    # "do not say more than you must" orders, and "a place that does not provide food" describes
    r"(?<!law )(?:does|(?<!and )(?<!then )(?<!please )(?<!just )(?<!simply )(?<=\w )do|did) not"
    r" (?:\w+ )?(?:mention|say|state|specify|tell|indicate|reveal|answer)",
    r"(?<!law )(?<!that )(?<!which )(?<!who )(?:does|(?<=\w )do|did) not (?:\w+ )?(?:contain|include|provide|give)",
    r"(?:hard|difficult|impossible|not possible) (?:for \w+ )?to (?:\w+ )?(?:know|say|tell|determine|predict|answer|prove"
    r"|provide)",
    r"(?:there is|theres) no way (?:to|of|for)|(?:has|have) not (?:yet )?(?:taken place|happened|occurred|been (?:held|played"
    r"|decided))",
    r"you \w* ?know (?:\w+ )?better than (?:i|me)|only you(?: or (?:\w+ ){1,3}?)(?:can|know|could)|nothing (?:matches|comes up"
    r"|came up)",
    # what was asked is too far off, goes unmentioned, rings no bell; each conversation starts anew
    r"too (?:far (?:off|out|ahead|away)|vague|thin|broad|long ago) (?:for \w+ )?to (?:say|tell|call|know|settle|predict|answer)",
    r"(?:its|the|their|his|her) (?:maker|author|artist|name|identity|builder|inventor|owner|composer|writer"
    r"|[a-z]{3,}er) (?:is|was"
    r"|remains|stays|has stayed|stayed) (?:\w+ )?(?:anonymous|nameless|unrecorded|unidentified)",
    r"(?:rings?|ringing) (?:no|any) bells?|not ring (?:a|any) bells?|not (?:a |an )?(?:name|term|title|place) i (?:know"
    r"|recogni[sz]e)",
    r"(?:goes|go|went|left|is|are|was|were|stays|remains) (?:\w+ )?un(?:mentioned|stated|specified|recorded|resolved"
    r"|settled|solved)",
    r"(?<![a-z] )(?:the|this|your|that) (?:passage|text|note|context|document|message|article|paragraph|letter|recipe"
    r"|report|e-?mail"
    r"|invoice|excerpt) (?:[^.!?]{0,60} )?(?:leaves? (?:out|open|unsaid|off|it open|that open)|omits|says nothing|gives no"
    r"|never (?:says"
    r"|mentions|names|gives|tells|states))",
    r"i (?:looked|searched|checked|read|went|scanned)[^.!?]{0,60} and (?:could not|cannot|did not) (?:find|see|spot|locate)",
    r"(?:no|nobody has an?|no one has an?) (?:settled|final|definite|agreed|sure|certain|conclusive) (?:answer|idea|explanation)",
    r"(?:each|every|this) (?:conversation|chat|session) (?:starts?|begins?) (?:fresh|anew|new|from scratch|blank)"
    r"|nothing [^.!?]{2,50} carries over|(?:is|are|lies|sits) (?:out of|beyond|outside) my (?:reach|view|sight|knowledge"
    r"|records)",
    r"my (?:\w+ )?(?:training data|data|records?|knowledge|sources?|memory) (?:\w+ )?(?:holds?|has|have|contains?|shows?"
    r"|includes?"
    r"|lists?|turns? up) (?:nothing|no\b)|nothing (?:that )?i can (?:tie|link|match|connect)",
    r"beyond what (?:anyone|anybody|science|scientists|we|i) (?:\w+ )?(?:can|could)\b",
    r"wait and see|(?:is|are|still|remains) (?:still )?up in the air|any(?:one|body)'s guess|lost (?:to"
    r"|in) (?:pre)?(?:history|time)",
    r"i (?:have|see|know of) no way (?:to|of)|no way for me to (?:know|tell|say)",
    r"i (?:find|see|know of|can find|have found) no (?!one\b|reason|problem|fault|harm|doubt)\S+(?: \w+){0,3}"
    r" (?:(?:by|under|with|of) (?:that|this) (?:name|title)|called|named)\b",
    r"(?:is|remains|still|stays) (?:\w+ )?unanswered(?=[.,;!]|\Z)",
    r"i (?:would|will|do)? ?need (?:to know (?:where|what|which|who|when|how|more)|more (?:details?|information|context)"
    r"|a bit more"
    r"|some more)",
    r"as (?:an? )?(?:\w+ )?(?:ai|chatbot|digital assistant|language model|artificial intelligence)"
    r"(?: \w+){0,6},? (?:and )?(?:i|my|it is (?:not|beyond))\b"
    r"(?! (?:can (?:say|tell|confirm|answer)|know|think|believe|would say))",
)
#: So far into a reply, in characters, a doubt or a correction is its answer; later it is an aside.
EARLY = 500
# A doubt that is followed by the answer all the same: "I'm not sure whether you ask, but it is Oslo."
_ANSWERS_ALL_THE_SAME = re.compile(
    r"[^.!?]{0,60}[,;:] but (?:(?:it|he|she|they|the \w+(?: \w+){0,3}) (?:is|was|are|were) (?!not |un|also not)"
    r"|i (?:do )?(?:know|think|believe) (?:that )?(?!(?:it|this|that) (?:is|was) (?:not|un)|nobody|no one)\w)"
    r"|[^.!?]{0,40}, but (?:(?:most|many|some|all) (?:\w+ ){1,4}?"
    r"|(?:\w+ )?(?:research|studies|estimates|experts|scientists|researchers) )"
    r"(?:suggests?|says?|think|believe|agree|estimate|put|place|shows?)\b"
    # "It is hard to say exactly how long it lasts. In general, it ..."
    r"|(?<=how long)[^.!?]{0,80}[.!] (?:in general|generally|typically|usually|on average)\b"
    # "I'm not sure what you mean. If you mean rain, ..."
    r"|(?<=not sure)[^.!?]{0,30} you(?: are|'re)? (?:mean|ask|refer|talk)\w*[^.!?]{0,120}[.!?]"
    r" if you (?:do |are )?(?:mean|ask|drink|want|just)"
)
# A doubt that is followed by a guess: "I don't know. I think it was Oslo."
_GUESSES = re.compile(
    r"[^.!?]{0,60}[.!?,;:]? (?:but |so |and |though |however,? )?"
    r"(?:i (?:\w+ )?(?:think|guess|believe|suppose|suspect|assume|imagine|would (?:guess|say))"
    r"|my (?:best )?guess (?:is|would be))"
    r",? (?:that )?(?!not\b|so\b|nobody|no one|only you|we\b|you\b|i\b|there\b|(?:it|that|this)(?:'s| is| would be| will be)"
    r" (?:\w+ )?(?:something|for you|up to|best|better|important|impossible|hard|difficult|not|un\w+|a matter|too)"
    r"|(?:it|that) depends)\w[^.!?]*"
)
# A question back, and what would be needed: "A good price for what? Tell me the item."
_ASKS_BACK = re.compile(
    r"(?:\w+[,.!] ){0,2}(?:which|what|whose) (?:\w+ ){0,2}(?:do|did|are) you (?:mean|meaning|referring|talking"
    r"|asking)[^.!?]*\?(?! if you)"
    r"|(?:\w+[,.!] )?[^.!?]{3,80}\?(?: [^.!?]{0,80}\?)? (?:(?:please |and |if you |just |then )?(?:tell me|let me know|send me"
    r"|share (?:the|your|a)|give me|could you (?:tell|share|clarify|say)|can you (?:tell|share|clarify|say)|i would need"
    r"|paste)\b)"
)
#: What asks for a text: a question in it is the text.
_TASK = re.compile(r"(?:translate|write|rewrite|compose|say|ask)\b|how (?:do|can|would) (?:i|you|we) (?:say|ask)\b")
# What leaves a question open without a word of not knowing; _SETTLES takes it back.
_OPEN = _any(
    r"(?:topic|subject|matter|question) of (?:\w+ ){0,2}(?:debate|speculation|dispute)",
    r"debated (?:for|by|among|since|over|topic|question)|(?:age-old|eternal|profound|ongoing|unresolved|much) (?:debate|mystery)",
    r"(?:philosophical|eternal|age-old) (?:conundrum|question|enigma)|puzzled (?:\w+ ){1,4}for (?:centuries|decades|years|ages)",
    r"(?:shrouded in|remains an?|is an?) (?:\w+ )?mystery|open question|up for debate|matter of (?:opinion|taste|belief)",
    r"i am (?:just |only )?an? (?:\w+ )?(?:ai|chatbot|language model|virtual assistant)",
    r"i am here to (?:help|assist|support|provide)|(?:glad|happy) (?:you are here|to help)|i am afraid (?:i|that|this)",
)
# After which the question is answered all the same.
_SETTLES = _any(
    r"answer (?:\w+ )?lies", r"(?:widely|generally) (?:accepted|believed|agreed)", r"believed to have", r"attributed to"
)
_FALSE = re.compile(r"\W*false\b")
_BARE_UNKNOWN = re.compile(
    r"\W*(?:unknown|unclear|uncertain|not known|(?:still )?(?:disputed|debated|contested|unsettled|unsolved"
    r"|undecided)(?=[.,;!]|\Z))"
    r"|\W*(?:(?:well|honestly|i think|i guess),? )?(?:it|that|this) (?:\w+ )?depends"
    r"(?: (?!if\b)(?:(?!,? but )[^.!?]){0,80})?[.!?]?\Z"
    r"|[^.!?]{0,60}\b(?:could|may|might|can) either \w+ (?:\w+ )?or (?:\w+ ){0,4}?\w+[.!?]?\Z"
)
_CORRECTS = _any(
    r"there (?:is|was|are|were|has never been|have never been|has been|have been) (?:probably |likely |really |simply |in fact )?"
    r"(?:no|not|never|none)",
    r"(?:does|do|did) not (?:\w+ )?(?:exist|happen|have|take place|occur|win|write|invent|build|visit|live|fly|use|own)",
    r"(?:has|have|had|was|were|is|are) never|never (?:existed|happened|took place|won|wrote|had|lived|went|met|visited)",
    r"(?:is|was|are|were) not (?:\w+ )?(?:a |an |the )?(?:real|true|correct|accurate|possible|right|case|fact)",
    r"you (?:will|would) ?not find"
    r"|nothing (?:in particular |special |bad |unusual |at all )?(?:(?:will|would|should|actually|really|ever) )*"
    r"happen(?:s|ed)?\b(?! (?:until|unless|before|without|but|except|more))",
    r"but (?:is |are |was |were )?(?:not any ?more|no longer)",
    r"no (?:one|single) (?:individual|person|man|woman|company|country|nation)\b",
    r"contrary to|no \w+ could(?: ever)? (?:\w+ )?(?:there|exist|live|be|have)",
    r"(?:\A|[.!?] )(?:no, |well, )?(?:actually|in fact|in reality)",
)
# ... wherever it is said
_CORRECTS_OUTRIGHT = _any(
    r"no such|fictional|fictitious|imaginary|made[- ]up(?! of\b)|nonexistent|non-existent|hypothetical",
    r"there (?:\w+ ){1,5}(?:misunderstanding|confusion|error)|contains an? (?:\w+ )?(?:error|mistake)|makes? no sense"
    r"|nonsens(?:e|ical)"
    r"|(?:is|are|was|were|be|that's|simply) (?:\w+ )?false|false (?:premise|assumption|claim|idea|belief)|incorrect"
    r"|(?<!for the )(?<!for my )(?<!for that )mistaken?"
    r"|(?<!not )wrong(?! with\b)|misconception|mix-?up|mixed up"
    r"|science fiction|pure (?:fiction|fantasy)|uninhabited"
    r"|(?:only|just|except) in (?:\w+ )?(?:myths?|fiction|legends?|stories|fairy tales|tales|films|movies|cartoons|novels|dreams)"
    r"|i (?:think|believe|suspect|assume|guess|suppose) you (?:mean|meant|are (?:thinking|referring))\b|(?:you"
    r"|you are) mixing (?:up )?two\b"
    r"|(?:it is|actually|quite) (?:\w+ )?the other way (?:a)?round\b|(?:one|a small|a quick) (?:fix|correction)(?: before|:)"
    r"|you (?:may|might|must|are probably|are perhaps) (?:be )?(?:thinking|mean|meaning)\b|mythical|legendary creature|(?:is|are"
    r"|was|were) hardly"
    r"|without (?:any|a single)|(?:is|are|was|only) an? (?:\w+ )?myth|trick question|premise",
    r"you (?:are|may be|might be|seem to be|have) (?:\w+ )?(?:confus(?:ed|ing)|mix(?:ed|ing) (?:up|two))",
    r"(?:does|do|did|has|have) not (?:\w+ )?exist(?:ed)?|never existed",
    # words of one field put to another: "Fourier decomposition isn't literally applicable to board meetings"
    r"(?:does|do|is|are) not (?:\w+ )?(?:apply|applicable|make sense)\b|(?:has|have) (?:absolutely |really )?"
    r"(?:no|nothing) (?:bearing on|to do with)",
    r"(?:is|are) not an? (?:\w+ )?(?:recogni[sz]ed|established|standard|known|real)"
    r"(?: or \w+)? (?:\w+ )?(?:term|concept|theory|theorem|method|metric|phenomenon|effect|unit|thing)",
    r"(?:sounds|seems|appears|reads) (?:like|to be) an? (?:\w+ ){0,3}(?:parody|joke|metaphor|mixture|riddle)"
    r"|sounds like (?:\w+ )?(?:\w+ )?humor",
)
# A first sentence that speaks of the question only.
_FILLER = re.compile(
    r"(?:that|this|your|good|great|interesting|well|hmm|sorry|unfortunately|i|it seems|there seems|thank|what an?)\b"
)
# "None.", "Neither. ...", "No woman has ...", "Horses have no wings.", "a planet without moons", "in physics, not literature".
_CLAUSE = r"(?:(?! (?:and|but|because|which|that|who|since|so) )[^.!?:;,]){0,60}?"
_NONE_OF_IT = re.compile(
    r"\W*+(?:0|zero)(?: [a-z]+)?[.!]*\Z"
    r"|\W*+(?:nothing|nobody|no one) (?:like (?:that|this|it)|of (?:the|that) (?:sort|kind)|by that name|such)\b"
    rf"|\W*+{_CLAUSE}\b(?:has|have|had) (?:exactly )?(?:zero|0) [a-z]+(?:[.!;]|\Z)"
    rf"|\W*+{_CLAUSE}\b(?:is|are|was|were) (?!(?:un|end|care|rest|use|need|home|price|time|help|hope|fear|count|bound|worth"
    rf"|tire)less)[a-z]{{3,}}less\b"
    rf"|\W*+{_CLAUSE}\b(?:won|got|received|was|were|has|had|have|wrote|invented|lived|studied|played) [^.!?]{{0,40}}\binstead\b"
    r"|\W*+(?:none|neither|zero|nothing|nobody|no one|nowhere|never|not one|nil|no)(?:[.,;!:]|\Z| of (?:them|these|those|it"
    r"|the (?!above|others?|options|rest))\b"
    r"| because\b)"
    r"|\W*+neither\b|\W*+(?:(?:so far|to date|as yet|until now),? )?no (?!one\b|idea\b|doubt\b|problem\b|wonder\b|matter\b)"
    r"[a-z]+(?: \w+){0,2} (?:has|have|had|is|are"
    r"|was|were|can|ever|did|does|exists?)\b"
    rf"|\W*+{_CLAUSE}\b(?:has|have|had|contains?|wears?|needs?|grows?|lays?|makes?|got|with) (?:none\b|no (?!idea|doubt|choice)"
    rf"|trouble|problem)"
    r"|\W*+(?:almost|virtually|practically|hardly|next to) (?:no|any|none|nothing)\b"
    rf"|\W*+{_CLAUSE}\b(?:(?:is|are|was|were) (?:\w+ ){{0,2}}without|lacks?|never)\b"
    r"|\W*+(?:so far |to date |until now |to this day )?only [a-z]+ (?:has|have|had|can|could|did)\b"
    r"|[^.!?]{3,80}, not (?:in |for |by |a |an |the |from |of |on )?(?!only|just|even|long|far|to|because|many|much"
    r"|all)[a-z]+(?:[.!]|\Z)"
)
# A reply that opens with a negation denies something; later on it may only add to a story. "It is not a town, but a lake" denies
# nothing of the question, and "sorry that you could not find him" nothing of the matter.
_NEGATED_OPENING = re.compile(
    r"(?!(?:i am )?(?:\w+ )?(?:sorry|glad|happy) (?:to hear|(?:that )?you)\b)(?!i (?:\w+ )?(?:do|did|can|could)(?:not"
    r"| not) (?:\w+ )?(?:know|remember|recall|understand|mind)\b)(?!(?:if|when|unless|while) )(?:(?! (?:and|but"
    r"|because|told|said|whispered|thought|wrote|hoped|warned|asked|whether|who|which|that"
    r"|so that|if|when|unless) )[^.!?:;,]){0,60}?"
    r"\b(?:(?:did|does|do|has|have|had|can|could) (?:not(?! (?:doubt|hesitate|mind|expect|know (?:that|of|how|who|about)"
    r"|see (?:it|that)))|never)"
    r"|cannot(?! (?:wait|see it))"
    r"|(?:was|were|is|are) (?:never|not(?! [^.!?;]{0,60}\b(?:but|the same)\b)(?! (?:just|only|entirely|easy|that simple))))\b"
)
_STRAIGHT = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"'})
_CONTRACTIONS = [
    ("can't", "cannot"), ("n't", " not"), ("'m ", " am "), ("'ve ", " have "), ("'re ", " are "), ("there's", "there is"),
    ("it's", "it is"), ("i'd ", "i would "), ("i'd've ", "i would have "),
]  # fmt: skip


def abstains(reply: str, question: str = "") -> bool:
    """Return whether the reply says that the answer is not known, not given, undecided or cannot be known, or tells what it is
    itself.

    "I don't know", "the passage does not say", "nobody knows", "a topic of debate", "I am only a chatbot". A guess after a doubt
    is an answer: "I'm not sure. I think it was Oslo." What the question itself says of something ("... that does not contain the
    letter C") leaves nothing open. A correction of the question is :func:`corrects_premise`.
    """
    plain, asked = _plain(reply), _plain(question)
    bare = _BARE_UNKNOWN.match(plain) or (None if _TASK.match(asked) else _ASKS_BACK.match(plain))
    open_ = _new(_ABSTAINS, plain, asked) or bare or UNKNOWN_ABROAD.search(plain)
    aside = open_ and (doubts_else(plain[open_.start() :], asked, open_.start()) or doubts_aside(plain, asked, open_.start()))
    if open_ and not aside:
        return not (_ANSWERS_ALL_THE_SAME.match(plain, open_.end()) or _guesses(plain, open_.end()))
    left = _OPEN.search(plain, 0, EARLY)
    return left is not None and not _SETTLES.search(plain, left.end())


def _new(pattern: re.Pattern[str], plain: str, asked: str) -> re.Match[str] | None:
    """Return the first match that does not only repeat the question; what a speaker says of himself repeats nothing.

    Late in a long reply only such words of himself count: "if the drink is not enough, ask a doctor" is part of the answer.
    """
    found = pattern.finditer(plain)
    return next((one for one in found if one[0].startswith("i ") or (one.start() < EARLY and one[0] not in asked)), None)


def _guesses(plain: str, at: int) -> bool:
    """Return whether a guess follows that is no second doubt."""
    guess = _GUESSES.match(plain, at)
    return guess is not None and not (_ABSTAINS.search(guess[0]) or _OPEN.search(guess[0]))


def corrects_premise(reply: str, question: str = "") -> bool:
    """Return whether the reply denies what the question takes for granted: "there is no ...", "he did not ...", "Neither.",
    "None.".

    What only denies something counts in the first sentence, or in a second one after a first that says nothing of the matter; "a
    trick question" and the like count anywhere. With the question given, a negation denies nothing where the question holds one
    itself ("What can you not do?"), where it asks for a yes or no, or where it asks for a reason and the negation speaks of
    something else. "Neither" denies both sides of a choice ("Is snow black or green?").
    """
    plain, asked = _plain(reply), _plain(question)
    first, _, rest = plain.partition(". ")
    if _new(_CORRECTS_OUTRIGHT, plain, asked) or _FALSE.match(plain):
        return True
    if YES_OR_NO.match(asked):
        return takes_neither(plain, asked) or _NOTHING_THERE.search(first) is not None
    if negation_answers(plain, asked):
        return False
    if other_fact(plain, asked):
        return True
    if denies_asked(plain, asked) or _NEGATED_OPENING.match(plain) or _NONE_OF_IT.match(plain) or DENIED_ABROAD.search(first):
        return True
    second = rest.partition(". ")[0] if _FILLER.match(first) else ""
    return bool(_CORRECTS.search(first) or (second and (_CORRECTS.search(second) or _NEGATED_OPENING.match(second))))


_NOTHING_THERE = re.compile(r"\bthere (?:is|are|was|were) no\b")
_PREAMBLE = re.compile(
    r"\A\W*(?:it is (?:\w+ )?(?:important|worth|necessary) (?:to )?(?:note|noting|remember|understand|clarify|recogni[sz]e"
    r"|mention"
    r"|point(?:ing)? out) that |i (?:am sorry|apologi[sz]e)(?: for (?:the|any|my) \w+)?,? but (?!i\b|we\b)|(?:the )?(?:truth|fact"
    r"|reality|short answer|answer)(?: of the matter)? is,? (?:that )?"
    # "Sure, I'd be happy to help! It is Oslo.", but not "Happy to help. Let me know what you need."
    r"|(?:(?:sure(?: thing)?|certainly|of course|absolutely|yes|hello|hi|hey)(?: there)?[,.!]+ ){0,2}"
    r"(?:i (?:would be|am|will be) (?:(?:more than|very|so) )?)?(?:happy|glad) to (?:help|assist)"
    r"(?: you)?(?: (?:with|out)[^.!?]{0,40})?[.!]+ "
    r"(?=\w)(?!please\b|let (?:me|us)\b|just\b|tell\b|if you\b|feel free|what\b|how can\b)(?=[^?]*\Z))"
)
#: What somebody in a reply says, and a doubt about a detail of an answer: they say nothing of the question.
_SPEECH = re.compile(
    r"(?:said|says|asked|whispered|told|replied|answered|cried|wrote)\b[^.!?\"]{0,30}[:,]? ?\"[^\"]{0,400}\""
    r"|\"[^\"]{0,400}[,.!?]\" (?:\w+ ){0,3}?(?:said|says|asked|whispered|told|replied|answered|cried|wrote)\b"
)
_DETAIL = re.compile(
    r"(?<=\w )\((?![^()]*\bi\b)[^()]{0,160}\)|"
    r"(?<=\w[.!?] )i am not sure (?:if|whether|that) (?:this|that|it) is (?:true|right|correct|accurate"
    r"|what you|(?:the|an?) (?:\w+ )?(?:answer|question))\b[^.!?]*|"
    r"(?<=\w[;,.] )(?:(?:though|but|although|and) )?(?:nobody|no one) knows (?:exactly|precisely) (?:when|where|why|how)\b|"
    r"(?<=\w[;,.] )(?:(?:though|but|although|and|while) )?(?:the |its |his |her |their )?(?:exact|precise|full|original) \w+"
    r"(?: \w+)?(?: of (?:\w+ ){0,2}\w+)? (?:is|are|was|were|remains?) (?:\w+ )?(?:unknown|unclear|uncertain|not known"
    r"|disputed|debated)"
)


def _plain(reply: str) -> str:
    words = " ".join(folded(reply).casefold().translate(_STRAIGHT).split())
    for short, long in _CONTRACTIONS:
        words = words.replace(short, long)
    return _PREAMBLE.sub("", _DETAIL.sub(" ", _SPEECH.sub(" ", words)).strip())


def reading_by_rules(reply: str, question: str = "") -> Reading:
    """Return how a reply to a question reads by the rules alone: declined or left open, its premise denied, or answered as if
    the answer were known."""
    if abstains(reply, question) or declines(without_bare_no(reply, _plain(question))):
        return "abstained"
    return "corrected the question" if corrects_premise(reply, question) else "answered"
